using System.Globalization;
using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Schemas;

/// <summary>Reads numbers from JSON nodes of any CLR type.</summary>
public static class SchemaNumbers
{
    public static bool TryDecimal(JsonNode node, out decimal number) =>
        decimal.TryParse(node.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out number);

    public static bool TryInteger(JsonNode node, out long number)
    {
        if (TryDecimal(node, out var value) && decimal.Truncate(value) == value && value is >= long.MinValue and <= long.MaxValue)
        {
            number = (long)value;
            return true;
        }

        number = 0;
        return false;
    }
}
