"""The upgrade (USR2): its policy, and the old master's hold on its successor. ``system.handoff`` is what is handed over."""
