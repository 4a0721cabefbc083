#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nginx: several workers serve files, plain, buffered and compressed, over
the loopback interface, and reload their configuration under load."""

import grp
import http.client
import json
import os
import random
import signal
import sys
import time

sys.dont_write_bytecode = True
import harness  # noqa: E402

CONFIGURATION = """\
daemon off;
master_process on;
%(user)s
worker_processes %(workers)d;
worker_shutdown_timeout 15s;
pid %(dir)s/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log %(dir)s/access.log;
  client_body_temp_path %(dir)s/body;
  proxy_temp_path %(dir)s/proxy;
  fastcgi_temp_path %(dir)s/fastcgi;
  uwsgi_temp_path %(dir)s/uwsgi;
  scgi_temp_path %(dir)s/scgi;
  types { text/plain txt; application/octet-stream bin; }
  sub_filter_types text/plain;
  keepalive_requests 1000;
  server {
    listen 127.0.0.1:%(port)d;
    add_header X-Generation %(generation)d always;
    root %(files)s;
    location /plain/ { alias %(files)s/; sendfile on; }
    location /buffered/ { alias %(files)s/; output_buffers 4 16k; }
    location /packed/ {
      alias %(files)s/;
      gzip on;
      gzip_types text/plain;
      gzip_min_length 20;
      gzip_comp_level 3;
    }
  }
}
"""

SIZES = [0, 1, 30, 700, 4096, 9000, 40000, 150000, 900000]


class Nginx:
    name = "nginx"

    def missing(self):
        if harness.find_program("nginx") is None:
            return "nginx is not installed"
        return None

    def prepare(self, bench):
        rng = random.Random(harness.SEED)
        self.files = bench.path("files")
        os.mkdir(self.files)
        os.chmod(self.files, 0o755)
        for size in SIZES:
            self.put("text%d.txt" % size,
                     harness.words(rng, size // 4 + 1)[:size].encode())
            self.put("data%d.bin" % size, rng.randbytes(size))

    def put(self, name, data):
        path = os.path.join(self.files, name)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o644)

    def orders(self, run, port, requests, most):
        """The orders for the load generator."""
        files = []
        for size in SIZES:
            if size > most:
                continue
            for name in ("text%d.txt" % size, "data%d.bin" % size):
                for place in ("plain", "buffered"):
                    files.append(["/%s/%s" % (place, name),
                                  os.path.join(self.files, name), False])
            if size >= 30:
                files.append(["/packed/text%d.txt" % size,
                              os.path.join(self.files,
                                           "text%d.txt" % size), True])
        return dict(port=port, threads=8, requests=requests,
                    seed=harness.SEED, files=files)

    def configure(self, run, port, generation, workers):
        user = ""
        if os.geteuid() == 0:
            account = harness.unprivileged_user()
            user = "user %s %s;" % (account.pw_name,
                                    grp.getgrgid(account.pw_gid).gr_name)
        run.write("nginx.conf", CONFIGURATION % dict(
            user=user, workers=workers, dir=run.dir, port=port,
            generation=generation, files=self.files))

    def start(self, run, port, workers):
        self.configure(run, port, 1, workers)
        return run.serve([harness.find_program("nginx"), "-p", run.dir,
                          "-e", "stderr", "-c", run.path("nginx.conf")],
                         ready=lambda: harness.accepts(port))

    def run(self, run):
        workers = run.scale(small=2, quick=4, demo=2)
        port = harness.free_port()
        server = self.start(run, port, workers)
        orders = self.orders(
            run, port, run.scale(small=3000, quick=12000, demo=8000),
            run.scale(small=200000, quick=10 ** 7, demo=200000))
        if run.size != "demo":
            total = orders["requests"]
            orders["marks"] = [total // 4, total // 2, total * 3 // 4]
            orders["generation"] = 4
        generator = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                 "load.py")
        with run.clock():
            load = run.start([sys.executable, generator], preloaded=False,
                             stdin=run.write("orders", json.dumps(orders)))
            if run.size != "demo":
                self.reload_under(run, load, server, port, workers)
            if load.wait(120) != 0:
                raise harness.Failure(load.story() + server.story())
        server.stop(signal.SIGQUIT, timeout=30)
        said = json.loads(harness.read_file(load.output).splitlines()[-1])
        if said["requests"] < orders["requests"]:
            raise harness.Failure("only %(requests)d requests" % said)
        run.out("files", said["files"])
        run.out("reloads seen", said["generation"])
        run.out("complaints", server_complaints(server))

    def reload_under(self, run, load, server, port, workers):
        """A new configuration at each mark that the load generator passes."""
        generation = 1
        while load.alive() and generation < 4:
            text = harness.read_file(load.output)
            if text.count(b"mark ") >= generation:
                generation += 1
                self.configure(run, port, generation,
                               workers + generation % 2)
                os.kill(server.pid, signal.SIGHUP)
                self.await_generation(port, generation)
            time.sleep(0.01)

    def await_generation(self, port, generation):
        """nginx would merge a second reload with the first while that runs."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            answer = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                answer.request("GET", "/plain/text1.txt")
                if answer.getresponse().headers["X-Generation"] == str(
                        generation):
                    return
            except OSError:
                pass
            finally:
                answer.close()
            time.sleep(0.01)
        raise harness.Timeout("configuration %d never came into force" %
                              generation)

    def judge(self, report):
        """The workers of every generation must have allocated on their own,
        after the fork."""
        workers = [p for p in report.processes
                   if p.title.startswith("nginx: worker")]
        idle = [p for p in workers if p.rise == 0]
        faults = ["a worker's counters did not rise: " + p.describe()
                  for p in idle]
        if len(workers) < 8:
            faults.append("only %d workers were seen over four generations"
                          % len(workers))
        return faults


def server_complaints(server):
    """What nginx wrote, without the time and level of each line."""
    lines = harness.read_file(server.errors).decode(
        errors="replace").splitlines()
    return "\n".join(line.split("] ", 1)[-1] for line in lines)


if __name__ == "__main__":
    harness.run_as_script(Nginx())
