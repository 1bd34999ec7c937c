package io.concord.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.components.Versioned;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Transformation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SizeLimitTest {

  private static final String PLACEHOLDER = "__concord_oversized_5d1f7c2e9b604a83";
  private static final int MAX_BYTES = 20_000;

  private static final Schema KEY = SchemaBuilder.struct().field("id", Schema.STRING_SCHEMA).build();
  private static final Schema ROW =
      SchemaBuilder.struct()
          .name("public.t.Value")
          .field("id", Schema.STRING_SCHEMA)
          .field("big", Schema.OPTIONAL_STRING_SCHEMA)
          .field("other", SchemaBuilder.string().optional().defaultValue("default").build())
          .field("__lsn", Schema.OPTIONAL_INT64_SCHEMA)
          .build();

  private final SizeLimit<SourceRecord> limit = limitOf(Map.of("max.bytes", "" + MAX_BYTES));

  private static SizeLimit<SourceRecord> limitOf(Map<String, String> settings) {
    SizeLimit<SourceRecord> limit = new SizeLimit<>();
    limit.configure(settings);
    return limit;
  }

  private static Struct row(String big, String other) {
    return new Struct(ROW).put("id", "1").put("big", big).put("other", other).put("__lsn", 7L);
  }

  private static SourceRecord recordOf(Schema schema, Object value) {
    Struct key = new Struct(KEY).put("id", "1");
    SourceRecord record =
        new SourceRecord(Map.of("p", "eu"), Map.of("lsn", 7L), "cdc.eu", 3, KEY, key, schema, value, 1234L);
    record.headers().addString("h", "v");
    return record;
  }

  private Struct applied(Struct row) {
    return (Struct) limit.apply(recordOf(ROW, row)).value();
  }

  @Test
  void aRecordAtTheLimitIsTheVerySameRecord() {
    // "1" is one of the bytes.
    SourceRecord record = recordOf(ROW, row("x".repeat(MAX_BYTES - 1), null));
    assertSame(record, limit.apply(record));
  }

  @Test
  void oneByteAboveTheLimitTheLargeValueIsReplaced() {
    Struct result = applied(row("x".repeat(MAX_BYTES), "small"));
    assertEquals(row(PLACEHOLDER, "small"), result);
    assertEquals(7L, result.get("__lsn"));
  }

  @Test
  void everyValueOfMoreThan8192BytesIsReplacedAndNoOther() {
    String small = "x".repeat(8192);
    assertEquals(row(PLACEHOLDER, small), applied(row("y".repeat(MAX_BYTES), small)));
    assertEquals(row(PLACEHOLDER, PLACEHOLDER), applied(row("y".repeat(MAX_BYTES), small + "x")));
  }

  @Test
  void everythingElseOfTheRecordStays() {
    SourceRecord record = recordOf(ROW, row("x".repeat(MAX_BYTES), null));
    SourceRecord result = limit.apply(record);
    assertSame(ROW, result.valueSchema());
    assertSame(ROW, ((Struct) result.value()).schema());
    assertSame(record.key(), result.key());
    assertSame(record.keySchema(), result.keySchema());
    assertEquals(record.topic(), result.topic());
    assertEquals(record.kafkaPartition(), result.kafkaPartition());
    assertEquals(record.timestamp(), result.timestamp());
    assertEquals(record.headers(), result.headers());
    assertEquals(record.sourcePartition(), result.sourcePartition());
    assertEquals(record.sourceOffset(), result.sourceOffset());
    assertEquals("x".repeat(MAX_BYTES), ((Struct) record.value()).get("big"), "the record that came in is not changed");
  }

  @Test
  void nullStaysNullBesideADefault() {
    assertNull(applied(row("x".repeat(MAX_BYTES), null)).getWithoutDefault("other"));
  }

  @Test
  void theDefaultOfANullDoesNotCount() {
    SourceRecord record = recordOf(ROW, row("x".repeat(MAX_BYTES - 1), null));
    assertSame(record, limit.apply(record));
  }

  @Test
  void aMapIsMeasuredAndReplacedLikeAStruct() {
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("id", "1");
    row.put("big", "x".repeat(MAX_BYTES));
    row.put("other", null);
    row.put("__lsn", 7L);
    Map<?, ?> result = assertInstanceOf(Map.class, limit.apply(recordOf(null, row)).value());
    assertEquals(PLACEHOLDER, result.get("big"));
    assertEquals("1", result.get("id"));
    assertEquals(7L, result.get("__lsn"));
    assertTrue(result.containsKey("other"));
    assertEquals(List.of("id", "big", "other", "__lsn"), List.copyOf(result.keySet()));
    row.put("big", "x".repeat(MAX_BYTES - 1));
    assertSame(row, limit.apply(recordOf(null, row)).value());
  }

  @Test
  void otherValuesPass() {
    for (Object value : new Object[] {null, "x".repeat(2 * MAX_BYTES), 7L, new byte[2 * MAX_BYTES]}) {
      SourceRecord record = recordOf(null, value);
      assertSame(record, limit.apply(record));
    }
  }

  @Test
  void bytesOfJsonAreMeasuredAndNotCharacters() {
    // The last one is a pair of surrogates.
    for (var character : Map.of("é", 2, "€", 3, "\"", 2, "\u0001", 6, "😀", 12).entrySet()) {
      int fit = (MAX_BYTES - 1) / character.getValue();
      SourceRecord record = recordOf(ROW, row(character.getKey().repeat(fit), null));
      assertSame(record, limit.apply(record), character.getKey());
      assertEquals(PLACEHOLDER, applied(row(character.getKey().repeat(fit + 1), null)).get("big"), character.getKey());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "plain", "\"quoted\" \\ back/slash", "\b\t\n\f\r", "\u0001\u001f\u007f", "é€\uffff\u2028", "😀e\u0301😀"})
  void aStringIsAsLongAsItsJson(String text) {
    try (JsonConverter json = new JsonConverter()) {
      json.configure(Map.of("schemas.enable", "false", "converter.type", "value"));
      int withQuotes = json.fromConnectData("t", Schema.STRING_SCHEMA, text).length;
      assertEquals(withQuotes - 2, SizeLimit.jsonBytes(text));
    }
  }

  @Test
  void thePlaceholderIsASetting() {
    SizeLimit<SourceRecord> other = limitOf(Map.of("max.bytes", "8192", "placeholder", "p"));
    Struct result = (Struct) other.apply(recordOf(ROW, row("x".repeat(9000), null))).value();
    assertEquals("p", result.get("big"));
  }

  @Test
  void settingsThatCannotWorkAreRefused() {
    assertThrows(ConfigException.class, () -> limitOf(Map.of()));
    assertThrows(ConfigException.class, () -> limitOf(Map.of("max.bytes", "8191")));
    assertThrows(ConfigException.class, () -> limitOf(Map.of("max.bytes", "9000", "placeholder", "")));
  }

  @Test
  @SuppressWarnings("rawtypes") // a class literal has no type argument
  void connectFindsItByServiceLoading() {
    Object found =
        ServiceLoader.load(Transformation.class).stream()
            .filter(provider -> provider.type() == SizeLimit.class)
            .findFirst()
            .orElseThrow()
            .get();
    assertTrue(assertInstanceOf(Versioned.class, found).version().length() > 0);
    assertEquals(List.of("max.bytes", "placeholder"), List.copyOf(((SizeLimit<?>) found).config().names()));
  }
}
