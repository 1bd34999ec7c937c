package io.concord.connect;

import io.debezium.spi.converter.CustomConverter.Converter;
import io.debezium.spi.converter.RelationalColumn;
import java.util.OptionalInt;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.connect.data.SchemaBuilder;

/** What a converter registers for the column {@code c} of the table {@code public.t}. */
record SampleColumn(SchemaBuilder schema, Converter converter) {

  static SampleColumn of(Properties settings) {
    TextConverter text = new TextConverter();
    text.configure(settings);
    AtomicReference<SampleColumn> registered = new AtomicReference<>();
    text.converterFor(COLUMN, (schema, converter) -> registered.set(new SampleColumn(schema, converter)));
    return registered.get();
  }

  Object convert(Object value) {
    return converter.convert(value);
  }

  private static final RelationalColumn COLUMN =
      new RelationalColumn() {
        @Override
        public String name() {
          return "c";
        }

        @Override
        public String dataCollection() {
          return "public.t";
        }

        @Override
        public int jdbcType() {
          return java.sql.Types.OTHER;
        }

        @Override
        public int nativeType() {
          return 0;
        }

        @Override
        public String typeName() {
          return "some_type";
        }

        @Override
        public String typeExpression() {
          return "some_type";
        }

        @Override
        public OptionalInt length() {
          return OptionalInt.empty();
        }

        @Override
        public OptionalInt scale() {
          return OptionalInt.empty();
        }

        @Override
        public boolean isOptional() {
          return false;
        }

        @Override
        public Object defaultValue() {
          return null;
        }

        @Override
        public boolean hasDefaultValue() {
          return false;
        }
      };
}
