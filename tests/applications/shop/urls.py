from django.urls import path
from shop import views

urlpatterns = [
    path("", views.book),
    path("signed", views.signed),
    path("upload", views.upload),
    path("body", views.body),
    path("environ", views.environ),
    path("stream", views.stream),
    path("rows", views.rows),
    path("download", views.download),
    path("cookies", views.cookies),
    path("broken", views.broken),
]
