"""The upgrade (USR2): its policy, and the old master's hold on its successor. What is handed over: ``system.handoff``."""
