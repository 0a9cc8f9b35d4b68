# SPDX-License-Identifier: BSD-2-Clause
# A Rack application: returns its environment.
run ->(env) {
  body = env.select { |_, value| value.is_a?(String) }.map { |name, value| "#{name}=#{value}\n" }.join
  [200, { 'Content-Type' => 'text/plain', 'Content-Length' => body.bytesize.to_s }, [body]]
}
