package io.concord.connect;

import io.concord.connect.Secrets.SecretProblem;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigData;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.NonEmptyString;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.provider.ConfigProvider;

/**
 * Values of AWS secrets in the settings of connectors: {@code ${secrets:<id or ARN>:<key>}}. The key is what follows the last
 * colon.
 *
 * <p>Kafka takes everything up to the second colon for the path and the rest for the key: of an ARN, {@code arn} and {@code
 * aws:secretsmanager:…:password}. So both are put together again here.
 *
 * <p>A value has no time to live. With one, Connect would start the connector anew when it is over, but not its tasks, whose
 * settings have not changed: they hold the expression.
 */
public final class SecretsManagerProvider implements ConfigProvider {

  static final String REGION = "region";
  static final String ENDPOINT = "endpoint";

  private static final ConfigDef CONFIG =
      new ConfigDef()
          .define(
              REGION,
              Type.STRING,
              ConfigDef.NO_DEFAULT_VALUE,
              new NonEmptyString(),
              Importance.HIGH,
              "The AWS region of the secrets.")
          .define(ENDPOINT, Type.STRING, null, Importance.LOW, "URL of Secrets Manager, where it is not AWS's own.");

  private Secrets secrets;

  @Override
  public void configure(Map<String, ?> settings) {
    AbstractConfig config = new AbstractConfig(CONFIG, settings, false);
    secrets = new Secrets(config.getString(REGION), config.getString(ENDPOINT));
  }

  @Override
  public ConfigData get(String path) {
    throw new ConfigException("name the secret and its key: ${secrets:<id or ARN>:<key>}");
  }

  @Override
  public ConfigData get(String path, Set<String> keys) {
    Map<String, String> values = new HashMap<>();
    for (String key : keys) values.put(key, valueOf(path.isEmpty() ? key : path + ":" + key));
    return new ConfigData(values);
  }

  private String valueOf(String place) {
    int colon = place.lastIndexOf(':');
    if (colon <= 0 || colon == place.length() - 1)
      throw new ConfigException("'%s' names no secret and key: ${secrets:<id or ARN>:<key>}".formatted(place));
    try {
      return secrets.value(place.substring(0, colon), place.substring(colon + 1));
    } catch (SecretProblem problem) {
      throw new ConfigException(problem.getMessage());
    }
  }

  @Override
  public void close() {
    if (secrets != null) secrets.close();
  }
}
