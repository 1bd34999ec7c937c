package io.concord.connect;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.NonEmptyString;
import org.apache.kafka.common.config.ConfigDef.Range;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.connect.components.Versioned;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Keeps a record small enough for the rest of the path. A record that the broker or Lambda refuses would stop the capture of
 * the whole region for ever; so its large values are replaced by a placeholder, and the receiving side parks it under the row's
 * key, which stays. The transform must be the last one, after the envelope was unwrapped: only the strings of the value
 * itself, a flat Struct or Map, are measured.
 *
 * <p>{@link Versioned} is named because a Transformation is not Versioned in workers before Kafka 4.
 */
public final class SizeLimit<R extends ConnectRecord<R>> implements Transformation<R>, Versioned {

  static final String MAX_BYTES = "max.bytes";
  static final String PLACEHOLDER = "placeholder";

  /**
   * A value above this is replaced. PostgreSQL keeps less than 500 of them in a row (a pointer of 18 bytes each in a page of 8
   * kB), so what is left of any row is less than 4 MB.
   */
  static final int LARGE_VALUE_BYTES = 8192;

  private static final ConfigDef CONFIG =
      new ConfigDef()
          .define(
              MAX_BYTES,
              Type.INT,
              ConfigDef.NO_DEFAULT_VALUE,
              Range.atLeast(LARGE_VALUE_BYTES),
              Importance.HIGH,
              "Bytes that the strings of a record's value may have together, in JSON and UTF-8.")
          .define(
              PLACEHOLDER,
              Type.STRING,
              "__concord_oversized_5d1f7c2e9b604a83",
              new NonEmptyString(),
              Importance.LOW,
              "What stands for each string of more than " + LARGE_VALUE_BYTES + " bytes in a record above the limit.");

  private int maxBytes;
  private String placeholder;

  @Override
  public void configure(Map<String, ?> settings) {
    AbstractConfig config = new AbstractConfig(CONFIG, settings, false);
    maxBytes = config.getInt(MAX_BYTES);
    placeholder = config.getString(PLACEHOLDER);
  }

  @Override
  public ConfigDef config() {
    return CONFIG;
  }

  @Override
  public String version() {
    // Classes that are not in a jar have none; Connect shows such plugins as undefined.
    return Objects.requireNonNullElse(SizeLimit.class.getPackage().getImplementationVersion(), "undefined");
  }

  @Override
  public R apply(R record) {
    if (record.value() instanceof Struct row) return exceeds(valuesOf(row)) ? withValue(record, shortened(row)) : record;
    if (record.value() instanceof Map<?, ?> row) return exceeds(row.values()) ? withValue(record, shortened(row)) : record;
    return record;
  }

  @Override
  public void close() {}

  private static Collection<?> valuesOf(Struct row) {
    return row.schema().fields().stream().map(field -> row.getWithoutDefault(field.name())).toList();
  }

  private boolean exceeds(Collection<?> values) {
    long bytes = 0;
    for (Object value : values) if (value instanceof String text) bytes += jsonBytes(text);
    return bytes > maxBytes;
  }

  private Struct shortened(Struct row) {
    Struct result = new Struct(row.schema());
    for (Field field : row.schema().fields()) result.put(field, shortened(row.getWithoutDefault(field.name())));
    return result;
  }

  private Map<Object, Object> shortened(Map<?, ?> row) {
    Map<Object, Object> result = new LinkedHashMap<>();
    row.forEach((name, value) -> result.put(name, shortened(value)));
    return result;
  }

  private Object shortened(Object value) {
    return value instanceof String text && jsonBytes(text) > LARGE_VALUE_BYTES ? placeholder : value;
  }

  private R withValue(R record, Object value) {
    return record.newRecord(
        record.topic(),
        record.kafkaPartition(),
        record.keySchema(),
        record.key(),
        record.valueSchema(),
        value,
        record.timestamp(),
        record.headers());
  }

  /**
   * Bytes of a string as JsonConverter writes it, without the quotes around it. Escapes count: 1 MB of control characters is 6
   * MB of JSON, 1 MB of emoji 3 MB.
   */
  static long jsonBytes(String text) {
    long bytes = 0;
    for (int i = 0; i < text.length(); i++) bytes += jsonBytes(text.charAt(i));
    return bytes;
  }

  private static int jsonBytes(char unit) {
    return switch (unit) {
      case '"', '\\', '\b', '\t', '\n', '\f', '\r' -> 2;
      default -> {
        if (unit < 0x20) yield 6;
        if (unit < 0x80) yield 1;
        if (unit < 0x800) yield 2;
        // JsonConverter escapes each half of a pair, so an emoji is 12 bytes and not 4.
        yield Character.isSurrogate(unit) ? 6 : 3;
      }
    };
  }
}
