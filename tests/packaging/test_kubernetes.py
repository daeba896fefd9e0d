"""contrib/kubernetes: valid for Kubernetes, valid for preforkd, and of one mind with itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from prefork.config.load import load
from prefork.config.models import Config
from tests.packaging.packages import REPOSITORY

FILE = REPOSITORY / "contrib/kubernetes/shop.yaml"
DOCUMENTS = {document["kind"]: document for document in yaml.safe_load_all(FILE.read_text())}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """What the ConfigMap holds."""
    file = tmp_path / "prefork.toml"
    file.write_text(DOCUMENTS["ConfigMap"]["data"]["prefork.toml"])
    return load(str(file))


@pytest.fixture
def pod() -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENTS["Deployment"]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_schemas_of_kubernetes_know_it(kind: str):
    """Every field, strictly, for the newest version that the validator has and for an old one."""
    for version in (kubernetes_validate.latest_version(), "1.29"):
        kubernetes_validate.validate(DOCUMENTS[kind], version, strict=True)


def test_the_times_agree(config: Config, pod: dict[str, Any]):
    """A pod is not killed while it finishes what it has, and not given up while it boots."""
    [container] = pod["containers"]
    wait = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    timeout = config.pool["web"].timeout
    assert pod["terminationGracePeriodSeconds"] >= wait + timeout.graceful + 5
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > timeout.boot


def test_the_ports_and_names_agree(config: Config, pod: dict[str, Any]):
    """Service, probes and listener mean the same; the budget and the service find the pods."""
    [container] = pod["containers"]
    assert config.listen["http"].address == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    assert DOCUMENTS["Service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"] == "http"
    assert container["readinessProbe"]["httpGet"]["path"] == config.pool["web"].probe
    labels = DOCUMENTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert DOCUMENTS["Service"]["spec"]["selector"] == labels
    assert DOCUMENTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_the_root_may_be_read_only(config: Config):
    """Nothing is written but to standard error and /tmp."""
    assert config.log.file == "stderr"
    assert config.master.pidfile is None
    assert config.control is None


def test_the_image_has_what_is_run(pod: dict[str, Any]):
    """The program that contrib/container puts there."""
    [container] = pod["containers"]
    assert container["command"][0] in (REPOSITORY / "contrib/container/Containerfile").read_text()


def test_the_command_in_its_comment():
    """kubernetes-validate as one would use it by hand."""
    command = [str(Path(sys.executable).with_name("kubernetes-validate")), str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
