"""Benches of what comes before a mode: records, from manifests and from the API server, and the state made of them."""
from .bench import Bench, Run, program
from .markdown import number, quantity, table


def quick_seconds(quick):
    return f"--benchmark_min_time={0.1 if quick else 1}"


def list_runs(quick):
    size = 3000 if quick else 30000
    return [Run(program("api_list_bench", size), {"services": size}, repeats=1 if quick else 3)]


def list_section(result):
    run = result.runs[0]
    rows = [["bytes of the list", quantity(run.get("text_mb"), "MB")], ["decoded, CPU", quantity(run.get("decoded.cpu_s"), "s")],
            ["and in state, CPU", quantity(run.get("in_state.cpu_s"), "s")], ["kept", quantity(run.get("kept_mb"), "MB")],
            ["peak memory", quantity(run.get("peak_mb"), "MB")]]
    return [f"{number(run.input['services'], 6)} services with 10 endpoints each. No peer.", "", *table(["", ""], rows)]


LIST = Bench("api_list", "A list from the API server",
             "What does it cost to list a whole cluster, from bytes to the table of what is forwarded?", list_runs, list_section)


def event_runs(quick):
    seconds = 10 if quick else 60
    return [Run(program("api_event_bench", "latency", 1000, 10 if quick else 50), {"what": "latency"}),
            Run(program("api_event_bench", "soak", seconds, 1000), {"what": "soak"})]


def event_section(result):
    latency, soak = result.runs
    return [f"From the event to the rule: median {quantity(latency.get('event.p50_ms'), 'ms')}, 99% "
            f"{quantity(latency.get('event.p99_ms'), 'ms')}, worst {quantity(latency.get('event.worst_ms'), 'ms')}. After "
            f"{number(soak.get('soak.changes'), 6)} changes, 100 a second, the daemon has {quantity(soak.get('soak.last_mb'), 'MB')}; "
            f"after the first second it had {quantity(soak.get('soak.first_mb'), 'MB')}. 1,000 services, TLS. No peer.", ""]


EVENT = Bench("api_event", "From an event of the API server to a rule",
              "How long after the API server tells a change is it in the kernel, and does memory grow under 100 changes a second?",
              event_runs, event_section, root=True)


def state_runs(quick):
    return [Run(program("state_bench", quick_seconds(quick)), google=True)]


def state_section(result):
    run = result.runs[0]
    rows = [[number(size, 6), quantity(run.get(f"full_snapshot.{size}.cpu_ms"), "ms"),
             quantity(run.get(f"one_slice_changed.{size}.cpu_us"), "µs"), number(run.get(f"full_snapshot.{size}.bytes_per_endpoint"))]
            for size in (1000, 10000, 30000)]
    return ["No peer. CPU time; bytes of heap for each endpoint, its share of the service included:", "",
            *table(["services", "all records", "one slice changed", "bytes"], rows)]


STATE = Bench("state", "The state of the node", "What does it cost to know what this node should forward?", state_runs, state_section)


def decode_runs(quick):
    return [Run(program("records_decode_bench", quick_seconds(quick)), google=True)]


DECODE_CASES = (("JSON decoded, 10,000 services", "decode_json.10000"), ("YAML to JSON, 1,000 services", "convert_yaml.1000"),
                ("a YAML file loaded, 10,000 services", "load_yaml_file.10000"),
                ("a JSON file loaded, 10,000 services", "load_json_file.10000"),
                ("one of its services edited, 110 services", "edit_yaml_file.110"),
                ("one of its services edited, 10,000 services", "edit_yaml_file.10000"))


def decode_section(result):
    run = result.runs[0]
    rows = []
    for what, key in DECODE_CASES:
        speed = run.get(f"{key}.bytes_per_second")
        rows.append([what, quantity(run.get(f"{key}.cpu_ms"), "ms"), number(None if speed is None else speed / 1e6)])
    return ["No peer. CPU time, and MB of text a second:", "", *table(["", "CPU time", "MB/s"], rows)]


DECODE = Bench("records_decode", "Records from manifests", "What does it cost to turn manifests into records?", decode_runs, decode_section)

BENCHES = (LIST, EVENT, STATE, DECODE)
