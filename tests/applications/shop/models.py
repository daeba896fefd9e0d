from django.db import models


class Entry(models.Model):
    """A line of the guest book."""

    name = models.CharField(max_length=100)
    text = models.TextField()

    class Meta:
        app_label = "shop"

    def __str__(self):
        return f"{self.name}: {self.text}"
