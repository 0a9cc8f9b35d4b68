# SPDX-License-Identifier: BSD-2-Clause
"""Follows a document as a reader would: runs its commands in a sandbox, and compares what the text promises."""
import docs


class Follower:
    """
    not_run: {how commands begin that are left out: why}. `ran` collects the others. A comment that begins with "req."
    or "client: " is what the command must print.
    """

    def __init__(self, sandbox, not_run):
        self.sandbox, self.not_run, self.ran = sandbox, not_run, []

    def leaves_out(self, command):
        return any(command.text.startswith(prefix) for prefix in self.not_run)

    def start(self, command):
        """Starts a command that goes on. There is one kedge at a time, as for a reader who follows the text."""
        is_kedge = "kedge run" in command.text
        if is_kedge:
            self.sandbox.stop_all("kedge")
        process = self.sandbox.start(command.text, "kedge" if is_kedge else "app")
        ready = "kedge: info: ready" if is_kedge else command.comment if self.promises(command) else r"port \d+"
        process.wait_line(ready, seconds=60)

    @staticmethod
    def promises(command):
        return command.comment.startswith(("req.", "client: "))

    def block(self, block, timeout=120):
        """Runs a block's commands and returns their output."""
        printed = ""
        for command in docs.commands(block):
            if self.leaves_out(command):
                continue
            if command.background:
                self.start(command)
            elif command.text.startswith("kill %"):
                self.sandbox.stop_all()
            else:
                printed += self.finish(command, timeout)
            self.ran.append(command.text)
        return printed

    def finish(self, command, timeout):
        done = self.sandbox.run(command.text, timeout=timeout)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        if self.promises(command):
            assert command.comment + "\n" in done.stdout, (command, command.comment, done.stdout)
        return done.stdout
