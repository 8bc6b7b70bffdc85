using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Bursar.Kube.Crds;

/// <summary>
/// JSON as YAML, byte for byte the same each time: LF, keys in ordinal order, two spaces, one line a scalar. Generated
/// files are compared and reviewed, so YamlDotNet's folding would only add noise. A string stands without quotes only when it begins with a letter (a path
/// after a point or slash too) and holds nothing but letters, digits and a few signs, and is no word of YAML 1.1: everything else stands in double quotes, so that no
/// reader takes <c>.5</c>, <c>1e3</c>, <c>0x10</c>, <c>~</c>, <c>on</c> or a date for another type.
/// </summary>
public static class YamlText
{
    private static readonly SearchValues<char> PlainStart = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_./");

    private static readonly SearchValues<char> Plain =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./ ()-");

    private static readonly HashSet<string> Words =
        new(["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"], StringComparer.OrdinalIgnoreCase);

    public static string Write(JsonNode node)
    {
        var text = new StringBuilder();
        WriteBlock(text, node, 0, afterDash: true);
        return text.ToString();
    }

    private static void WriteBlock(StringBuilder text, JsonNode? node, int indent, bool afterDash)
    {
        switch (node)
        {
            case JsonObject map:
                foreach (var (key, value) in map.OrderBy(p => p.Key, StringComparer.Ordinal))
                {
                    // The first key of a list's item stands on the line of the dash.
                    if (!afterDash) text.Append(' ', indent);
                    afterDash = false;
                    text.Append(Quote(key)).Append(':');
                    WriteValue(text, value, value is JsonArray ? indent : indent + 2);
                }
                break;
            case JsonArray list:
                foreach (var item in list)
                {
                    text.Append(' ', indent).Append('-');
                    if (item is JsonObject { Count: > 0 })
                    {
                        text.Append(' ');
                        WriteBlock(text, item, indent + 2, afterDash: true);
                    }
                    else WriteValue(text, item, indent + 2);
                }
                break;
            default:
                text.Append(Scalar(node)).Append('\n');
                break;
        }
    }

    private static void WriteValue(StringBuilder text, JsonNode? value, int indent)
    {
        switch (value)
        {
            case JsonObject { Count: 0 }:
                text.Append(" {}\n");
                break;
            case JsonArray { Count: 0 }:
                text.Append(" []\n");
                break;
            case JsonObject or JsonArray:
                text.Append('\n');
                WriteBlock(text, value, indent, afterDash: false);
                break;
            default:
                text.Append(' ').Append(Scalar(value)).Append('\n');
                break;
        }
    }

    private static string Scalar(JsonNode? value) => value switch
    {
        null => "null",
        JsonValue scalar when scalar.GetValueKind() == JsonValueKind.String => Quote(scalar.GetValue<string>()),
        _ => value.ToJsonString(),
    };

    private static string Quote(string value)
    {
        var plain = value.Length > 0 && PlainStart.Contains(value[0]) && !value.AsSpan().ContainsAnyExcept(Plain)
            && value[^1] != ' ' && !Words.Contains(value)
            // A point is the beginning of a path (.spec.kind), or of a number.
            && (value[0] is not ('.' or '_') || value.Length > 1 && char.IsAsciiLetter(value[1]));
        return plain ? value : Escape(value);
    }

    /// <summary>
    /// In double quotes on one line. Characters beyond U+FFFF stand as they are: YAML does not know JSON's surrogate pairs. A surrogate without
    /// its other half, which UTF-8 cannot hold, becomes U+FFFD.
    /// </summary>
    private static string Escape(string value)
    {
        var text = new StringBuilder(value.Length + 2).Append('"');
        foreach (var rune in value.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '"' or '\\':
                    text.Append('\\').Append(rune);
                    break;
                case '\n':
                    text.Append("\\n");
                    break;
                case '\r':
                    text.Append("\\r");
                    break;
                case '\t':
                    text.Append("\\t");
                    break;
                // Control characters, and what YAML or an editor takes for a line break or a byte order mark.
                case < 0x20 or (>= 0x7F and <= 0x9F) or 0x2028 or 0x2029 or 0xFEFF or 0xFFFE or 0xFFFF:
                    text.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:X4}");
                    break;
                default:
                    text.Append(rune);
                    break;
            }
        }
        return text.Append('"').ToString();
    }
}
