using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Bursar.Kube.Crds;

/// <summary>
/// JSON as YAML, byte for byte the same each time: LF, keys in ordinal order, two spaces, one line a scalar. Generated
/// files are compared and reviewed, so a general emitter's folding and quoting would only add noise.
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
            && value[^1] != ' ' && !Words.Contains(value);
        return plain ? value : $"\"{JsonEncodedText.Encode(value, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";
    }
}
