package io.concord.connect;

import java.net.URI;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClientBuilder;
import software.amazon.awssdk.services.secretsmanager.model.ResourceNotFoundException;
import software.amazon.awssdk.services.secretsmanager.model.SecretsManagerException;

/**
 * Reads secrets, each a JSON object, from AWS Secrets Manager with the credentials of the process. No message and no cause of
 * an exception has a value of a secret in it: Connect shows both in its status, and logs them.
 */
final class Secrets implements AutoCloseable {

  /** A secret, or a value of it, that cannot be had. The message says which, and what to do. */
  static final class SecretProblem extends Exception {
    private static final long serialVersionUID = 1;

    SecretProblem(String message) {
      super(message);
    }
  }

  private final String region;
  private final SecretsManagerClient client;

  /** @param endpoint of Secrets Manager, null for AWS's own */
  Secrets(String region, String endpoint) {
    this.region = Objects.requireNonNull(region);
    SecretsManagerClientBuilder builder =
        SecretsManagerClient.builder()
            .region(Region.of(region))
            .httpClientBuilder(UrlConnectionHttpClient.builder());
    if (endpoint != null) builder.endpointOverride(URI.create(endpoint));
    client = builder.build();
  }

  /** The text of a secret's current version under one key. */
  String value(String secretId, String key) throws SecretProblem {
    return valueIn(textOf(secretId, "AWSCURRENT"), secretId, key);
  }

  /** The same of the version that a rotation brings in, or brought in last. Empty when there is none, or none to be read. */
  Optional<String> pendingValue(String secretId, String key) {
    try {
      return Optional.of(valueIn(textOf(secretId, "AWSPENDING"), secretId, key));
    } catch (SecretProblem none) {
      return Optional.empty();
    }
  }

  private static String valueIn(String text, String secretId, String key) throws SecretProblem {
    Map<String, JsonNode> values = valuesOf(text, secretId);
    JsonNode value = values.get(key);
    if (value == null)
      throw new SecretProblem("secret '%s' has no key '%s': its keys are %s".formatted(secretId, key, values.keySet()));
    if (!value.isString() && !value.isNumber() && !value.isBoolean())
      throw new SecretProblem("'%s' of secret '%s' is neither text nor number".formatted(key, secretId));
    return value.text();
  }

  private static Map<String, JsonNode> valuesOf(String text, String secretId) throws SecretProblem {
    String expected = "secret '%s' is not a JSON object: write it as {\"password\": \"…\"}".formatted(secretId);
    if (text == null) throw new SecretProblem(expected);
    JsonNode json;
    try {
      json = JsonNode.parser().parse(text);
    } catch (RuntimeException repeatsTheText) {
      throw new SecretProblem(expected);
    }
    if (!json.isObject()) throw new SecretProblem(expected);
    return json.asObject();
  }

  private String textOf(String secretId, String stage) throws SecretProblem {
    try {
      return client.getSecretValue(request -> request.secretId(secretId).versionStage(stage)).secretString();
    } catch (ResourceNotFoundException absent) {
      throw new SecretProblem("secret '%s' is not there in %s: is it the right region and name?".formatted(secretId, region));
    } catch (SecretsManagerException refused) {
      throw new SecretProblem(refusal(secretId, refused));
    } catch (SdkClientException unreachable) {
      throw new SecretProblem(
          "Secrets Manager in %s cannot be asked for secret '%s' (%s): is there a route or an endpoint to it, and a role?"
              .formatted(region, secretId, unreachable.getMessage()));
    }
  }

  private static String refusal(String secretId, SecretsManagerException refused) {
    String code = refused.awsErrorDetails().errorCode();
    String hint =
        switch (code) {
          case "AccessDeniedException" -> "the worker's role needs secretsmanager:GetSecretValue on it, and kms:Decrypt on its key";
          case "DecryptionFailure" -> "the worker's role needs kms:Decrypt on the key of the secret";
          case "InvalidRequestException" -> "has it a value, and is it not about to be deleted?";
          default -> "request %s".formatted(refused.requestId());
        };
    return "Secrets Manager refused secret '%s' (%s): %s".formatted(secretId, code, hint);
  }

  @Override
  public void close() {
    client.close();
  }
}
