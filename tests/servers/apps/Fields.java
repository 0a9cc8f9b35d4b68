/* SPDX-License-Identifier: BSD-2-Clause */
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** Java's own server: returns a request's fields, a line each, and the client as Java knows it. */
class Fields {
	public static void main(String[] args) throws Exception {
		HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
		server.createContext("/", exchange -> {
			ByteArrayOutputStream body = new ByteArrayOutputStream();
			PrintStream out = new PrintStream(body, false, StandardCharsets.ISO_8859_1);
			out.print("REMOTE_ADDR=" + exchange.getRemoteAddress().getAddress().getHostAddress() + "\n");
			exchange.getRequestHeaders().forEach((name, values) ->
				values.forEach(value -> out.print(name + "=" + value + "\n")));
			out.flush();
			exchange.getRequestBody().readAllBytes();
			exchange.sendResponseHeaders(200, body.size());
			exchange.getResponseBody().write(body.toByteArray());
			exchange.close();
		});
		server.start();
		System.out.println("listening on " + server.getAddress().getPort());
	}
}
