package io.concord.connect;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;

/** Speaks as much of Secrets Manager's protocol (AWS JSON 1.1) as reading a secret needs. */
final class SecretsManagerServer implements AutoCloseable {

  record Answer(int status, String body) {}

  final Map<String, Answer> answers = new ConcurrentHashMap<>();
  final List<String> asked = new CopyOnWriteArrayList<>();
  private final HttpServer server;

  SecretsManagerServer() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::answer);
    server.start();
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  void put(String secretId, String secretString) {
    String quoted = secretString.replace("\\", "\\\\").replace("\"", "\\\"");
    answers.put(secretId, new Answer(200, "{\"SecretString\": \"%s\"}".formatted(quoted)));
  }

  void refuse(String secretId, String code) {
    answers.put(secretId, error(code));
  }

  private static Answer error(String code) {
    return new Answer(400, "{\"__type\": \"%s\", \"Message\": \"as the server says\"}".formatted(code));
  }

  private void answer(HttpExchange exchange) throws IOException {
    String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    String target = exchange.getRequestHeaders().getFirst("X-Amz-Target");
    String secretId = JsonNode.parser().parse(body).asObject().get("SecretId").text();
    asked.add(target + " " + secretId);
    Answer answer = answers.getOrDefault(secretId, error("ResourceNotFoundException"));
    byte[] bytes = answer.body().getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().add("Content-Type", "application/x-amz-json-1.1");
    exchange.sendResponseHeaders(answer.status(), bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
