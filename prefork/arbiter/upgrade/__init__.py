"""The upgrade (USR2): its policy, and the hold on the successor. What a successor is handed is in ``system.handoff``."""
