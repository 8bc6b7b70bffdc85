using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Core.Money;

/// <summary>Writes an <see cref="Amount"/> as a string of its integer units, because 128 bits do not fit a JSON number.</summary>
public sealed class AmountJsonConverter : JsonConverter<Amount>
{
    public override Amount Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Int128.TryParse(reader.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var units)
            ? new(units)
            : throw new JsonException("an amount is a string holding an integer");

    public override void Write(Utf8JsonWriter writer, Amount value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Units.ToString(CultureInfo.InvariantCulture));
}

/// <summary>Writes an <see cref="HourlyCost"/> as a number of nano-currency per hour.</summary>
public sealed class HourlyCostJsonConverter : JsonConverter<HourlyCost>
{
    public override HourlyCost Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetInt64());

    public override void Write(Utf8JsonWriter writer, HourlyCost value, JsonSerializerOptions options) =>
        writer.WriteNumberValue(value.NanoPerHour);
}
