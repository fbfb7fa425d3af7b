"""allauth's own pages, and a profile as a page and as JSON."""

from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import render
from django.urls import include, path


@login_required(login_url="/accounts/login/")
def profile(request):
    if "text/html" in request.headers.get("Accept", ""):
        return render(request, "profile.html", {"email": request.user.email})
    return JsonResponse({"email": request.user.email})


urlpatterns = [path("accounts/", include("allauth.urls")), path("profile", profile)]
