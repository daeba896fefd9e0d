"""The upgrade (USR2): its policy, and the hold on the successor. What is handed over: ``system.handoff``."""
