from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, object]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_two_instances_differ_only_in_where_they_store(compose):
    served = yaml.safe_load(compose["configs"]["instance"]["content"])
    embedded = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert served.pop("storage")["postgres"]["postgres_db"]["hostname"] in compose["services"]
    assert served == {key: embedded[key] for key in served}


def test_the_webserver_finds_the_code_server(compose):
    location = yaml.safe_load(compose["configs"]["workspace"]["content"])["load_from"][0]["grpc_server"]
    command = compose["services"][location["host"]]["command"]
    assert command[command.index("-p") + 1] == str(location["port"])
    assert command[command.index("-m") + 1] == "narrative_dag.definitions"
    embedded = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    assert location["location_name"] == embedded["location_name"]


def test_only_the_code_server_has_the_gpu_and_training_libraries(compose):
    services = compose["services"]
    assert [name for name, service in services.items() if "deploy" in service] == ["code"]
    for name in ("webserver", "daemon", "migrate"):
        assert "torch" not in services[name]["build"]["dockerfile_inline"]


def test_what_the_images_copy_exists(compose):
    copied = [
        name
        for line in compose["services"]["code"]["build"]["dockerfile_inline"].splitlines()
        if line.startswith("COPY")
        for name in line.split()[1:-1]
    ]
    assert {"narrative_dag", "assets", "resources", "pyproject.toml"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_services_name_volumes_configs_and_networks_that_exist(compose):
    for service in compose["services"].values():
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"])
        assert {config["source"] for config in service.get("configs", [])} <= set(compose["configs"])
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])


def test_only_this_machine_reaches_the_pages(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
