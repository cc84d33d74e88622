"""A collector of one's own on the loopback: decodes what the exporter posts with PyPI's opentelemetry-proto.

otlp_test.py PROGRAM. The first request is answered with 503, the second connection is closed without an answer;
the exporter repeats both.
"""
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

accepted = []
attempts = []
lock = threading.Lock()


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            attempts.append((self.path, self.headers["Content-Type"], self.headers["authorization"]))
            number = len(attempts)
            if number > 2:
                request = ExportTraceServiceRequest()
                request.ParseFromString(body)
                accepted.append(request)
        if number == 2:
            self.close_connection = True
            return
        self.send_response(503 if number == 1 else 200)
        self.send_header("Content-Length", "0")
        if number == 1:
            # libcurl itself repeats a request that gets no answer on a connection that it used before.
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def value_of(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes_of(owner):
    return {each.key: value_of(each.value) for each in owner.attributes}


def check(condition, what):
    if not condition:
        sys.exit(f"otlp_test: {what}")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
    run = subprocess.run([sys.argv[1], endpoint], capture_output=True, text=True, timeout=100, check=False)
    server.shutdown()
    check(run.returncode == 0, f"exit status {run.returncode}: {run.stderr}")
    exported, dropped, failed = (int(each) for each in run.stdout.split())
    check(failed == 2 and dropped == 0, f"counts: {run.stdout}")
    check(all(each == ("/v1/traces", "application/x-protobuf", "Bearer of the test") for each in attempts),
          f"requests: {attempts}")

    spans = {}
    count = 0
    for request in accepted:
        for of_resource in request.resource_spans:
            check(attributes_of(of_resource.resource) == {
                "service.name": "birds", "service.instance.id": "nest-1", "service.version": "2.0",
                "region": "north"}, f"resource: {of_resource.resource}")
            for of_scope in of_resource.scope_spans:
                check(of_scope.scope.name == "dohle", f"scope: {of_scope.scope}")
                check(of_scope.schema_url == "https://opentelemetry.io/schemas/1.45.0", of_scope.schema_url)
                for span in of_scope.spans:
                    spans.setdefault(span.name, []).append(span)
                    count += 1
    check(count == exported, f"{count} spans arrived, {exported} were exported")
    check(set(spans) == {"send t", "process t", "poll t", "commit t", "send missing"}, f"names: {sorted(spans)}")
    check(len({span.span_id for each in spans.values() for span in each}) == count, "a span came twice")
    for each in spans.values():
        for span in each:
            check(len(span.trace_id) == 16 and len(span.span_id) == 8, f"ids: {span}")
            check(0 < span.start_time_unix_nano <= span.end_time_unix_nano, f"times: {span}")
            check(span.flags & 1, f"flags: {span}")

    send, process = spans["send t"][0], spans["process t"][0]
    check(send.kind == Span.SPAN_KIND_PRODUCER and send.parent_span_id == b"", f"send: {send}")
    check(attributes_of(send) == {
        "messaging.system.name": "kafka", "messaging.operation.name": "send", "messaging.operation.type": "send",
        "messaging.destination.name": "t", "messaging.client.id": "otlp", "kafka.message.key": "k",
        "messaging.destination.partition.id": "0", "kafka.offset": 0}, f"send: {send}")
    check(process.kind == Span.SPAN_KIND_CONSUMER, f"process: {process}")
    check(process.trace_id == send.trace_id and process.parent_span_id == send.span_id, f"process: {process}")
    check([(each.trace_id, each.span_id) for each in process.links] == [(send.trace_id, send.span_id)],
          f"process: {process}")
    check(attributes_of(process)["messaging.consumer.group.name"] == "g", f"process: {process}")
    check(any(each.links for each in spans["poll t"]), f"poll: {spans['poll t']}")
    check(all(each.kind == Span.SPAN_KIND_CLIENT for name in ("poll t", "commit t") for each in spans[name]), "kinds")
    missing = spans["send missing"][0]
    check(missing.status.code == Status.STATUS_CODE_ERROR and "missing" in missing.status.message,
          f"missing: {missing}")
    check(attributes_of(missing)["error.type"] == "no_such_topic", f"missing: {missing}")
    print(f"{count} spans are as they were sent, after {failed} failed requests")


if __name__ == "__main__":
    main()
