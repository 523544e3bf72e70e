# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example of an EC2 inventory, read by the real plugin from a stand-in for EC2 (moto) on the loopback interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

PROJECT = Path(__file__).resolve().parents[3]
EXAMPLE = PROJECT / "docs" / "examples" / "loginwatch.aws_ec2.yml"
PROGRAMS = Path(sys.executable).parent
REGION = "eu-central-1"
# Moto only requires that there are some.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "not-a-real-id", "AWS_SECRET_ACCESS_KEY": "not-a-real-secret"}
LIMIT_SECONDS = 120


@pytest.fixture(scope="module")
def ec2():
    """The address of a stand-in for EC2, and its instances by a word for each."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "ec2", region_name=REGION, endpoint_url=url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip

    def start(**tags: str) -> dict:
        words = [{"Key": key, "Value": value} for key, value in tags.items()]
        specification = [{"ResourceType": "instance", "Tags": words}]
        answer = client.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, TagSpecifications=specification)
        return answer["Instances"][0]

    instances = {
        "first": start(Loginwatch="yes", Name="web", Role="web", Environment="production"),
        # An autoscaling group gives all of its instances the same name.
        "second": start(Loginwatch="yes", Name="web", Role="web", Environment="staging"),
        "nameless": start(Loginwatch="yes", Role="db"),
        "untagged": start(Name="other", Role="web"),
        "stopped": start(Loginwatch="yes", Name="old", Role="web"),
    }
    client.stop_instances(InstanceIds=[instances["stopped"]["InstanceId"]])
    yield url, instances
    server.stop()


def run(url: str, program: str, *arguments: str) -> str:
    environment = {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(PROJECT / ".dev" / "collections")
    words = [str(PROGRAMS / program), *arguments, "-i", str(EXAMPLE)]
    done = subprocess.run(  # noqa: S603
        words, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failed to parse" not in done.stderr, done.stderr
    return done.stdout


def plain(value):
    """Return a value as ansible-inventory prints it, without the tag of untrusted data."""
    return value["__ansible_unsafe"] if isinstance(value, dict) and "__ansible_unsafe" in value else value


def test_each_running_instance_with_the_tag_is_a_host_with_a_label_that_people_know(ec2):
    url, instances = ec2
    found = json.loads(run(url, "ansible-inventory", "--list"))
    hosts = found["_meta"]["hostvars"]
    ids = {word: instance["InstanceId"] for word, instance in instances.items()}
    names = {"first": f"web_{ids['first']}", "second": f"web_{ids['second']}", "nameless": ids["nameless"]}
    assert set(hosts) == set(names.values())
    labels = {word: plain(hosts[name]["ssh_login_notify_host_label"]) for word, name in names.items()}
    assert labels == {
        "first": f"web ({ids['first']})", "second": f"web ({ids['second']})", "nameless": ids["nameless"]
    }  # fmt: skip
    for word, name in names.items():
        assert plain(hosts[name]["ansible_host"]) == instances[word]["PrivateIpAddress"]
    assert set(found["role_web"]["hosts"]) == {names["first"], names["second"]}
    assert found["role_db"]["hosts"] == [names["nameless"]]
    assert found["environment_staging"]["hosts"] == [names["second"]]
    assert any(group.startswith("zone_eu_central_1") for group in found)


def test_a_playbook_of_the_collection_takes_its_groups_for_targets(ec2):
    url, instances = ec2
    target = "target=role_web:&environment_staging"
    told = run(url, "ansible-playbook", "loginwatch.pam.deploy", "-e", target, "--list-hosts")
    assert f"web_{instances['second']['InstanceId']}" in told
    assert instances["first"]["InstanceId"] not in told
