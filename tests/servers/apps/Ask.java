/* SPDX-License-Identifier: BSD-2-Clause */
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.util.HexFormat;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Java's own client. java Ask.java CA LIMITS URL...: asks for each URL twice over one connection, by GET and by POST,
 * and prints method, URL, status and the SHA-256 of the body. LIMITS: jdk.tls.keyLimits, "" for Java's default.
 */
class Ask {
	static SSLContext trusting(String file) throws Exception {
		KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
		store.load(null, null);
		try (FileInputStream in = new FileInputStream(file)) {
			store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
		}
		TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		trust.init(store);
		SSLContext context = SSLContext.getInstance("TLS");
		context.init(null, trust.getTrustManagers(), null);
		return context;
	}

	static void ask(HttpClient client, String method, String url) {
		HttpRequest request = HttpRequest.newBuilder(URI.create(url)).method(method, method.equals("POST")
			? HttpRequest.BodyPublishers.ofString("posted") : HttpRequest.BodyPublishers.noBody()).build();
		String result;
		try {
			HttpResponse<byte[]> answer = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
			result = answer.statusCode() + " "
				+ HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(answer.body()));
		} catch (Exception error) {
			result = error.toString().replace(' ', '_') + " -";
		}
		System.out.println(method + " " + url + " " + result);
	}

	public static void main(String[] args) throws Exception {
		if (!args[1].isEmpty())
			Security.setProperty("jdk.tls.keyLimits", args[1]);
		// Its first request on a connection without TLS asks for HTTP/2 by an Upgrade to h2c.
		HttpClient client = HttpClient.newBuilder().sslContext(trusting(args[0])).build();
		for (int i = 2; i < args.length; i++) {
			ask(client, "GET", args[i]);
			ask(client, "POST", args[i]);
		}
	}
}
