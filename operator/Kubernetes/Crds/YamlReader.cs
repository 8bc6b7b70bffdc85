using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Bursar.Kubernetes.Crds;

/// <summary>
/// Converts YAML to JSON with the plain scalars of YAML 1.1, like Kubernetes. It uses parser events instead of reflection, so that it works
/// in a trimmed program.
/// </summary>
public static class YamlReader
{
    /// <summary>Returns the documents of a text; an empty document is null.</summary>
    /// <param name="text">YAML, and thus JSON.</param>
    /// <param name="duplicates">Receives the paths of keys that occur more than once. The last one counts.</param>
    /// <exception cref="FormatException">The text is no YAML.</exception>
    public static IReadOnlyList<JsonNode?> ReadAll(string text, List<string>? duplicates = null)
    {
        var documents = new List<JsonNode?>();
        try
        {
            var parser = new Parser(new StringReader(text));
            parser.Consume<StreamStart>();
            while (!parser.TryConsume<StreamEnd>(out _))
            {
                parser.Consume<DocumentStart>();
                documents.Add(Read(parser, [], duplicates, ""));
                parser.Consume<DocumentEnd>();
            }
        }
        catch (YamlException error)
        {
            throw new FormatException(error.Message, error);
        }
        return documents;
    }

    private static JsonNode? Read(IParser parser, Dictionary<string, JsonNode?> anchors, List<string>? duplicates, string path)
    {
        switch (parser.Current)
        {
            case Scalar scalar:
                parser.MoveNext();
                return Remember(anchors, scalar.Anchor, Value(scalar));
            case AnchorAlias alias:
                parser.MoveNext();
                return anchors.TryGetValue(alias.Value.Value, out var known)
                    ? known?.DeepClone()
                    : throw new FormatException($"unknown anchor '{alias.Value.Value}' referenced");
            case SequenceStart sequence:
                parser.MoveNext();
                var list = new JsonArray();
                while (!parser.TryConsume<SequenceEnd>(out _))
                {
                    list.Add(Read(parser, anchors, duplicates, $"{path}[{list.Count}]"));
                }

                return Remember(anchors, sequence.Anchor, list);
            case MappingStart mapping:
                parser.MoveNext();
                var obj = new JsonObject();
                while (!parser.TryConsume<MappingEnd>(out _))
                {
                    var key = parser.Consume<Scalar>().Value;
                    var childPath = path.Length == 0 ? key : $"{path}.{key}";
                    var value = Read(parser, anchors, duplicates, childPath);
                    if (key == "<<" && value is JsonObject merged)
                    {
                        foreach (var (name, child) in merged)
                        {
                            obj.TryAdd(name, child?.DeepClone());
                        }

                        continue;
                    }

                    if (obj.ContainsKey(key))
                    {
                        duplicates?.Add(childPath);
                    }

                    obj[key] = value;
                }

                return Remember(anchors, mapping.Anchor, obj);
            default:
                throw new FormatException($"unexpected {parser.Current?.GetType().Name}");
        }
    }

    private static JsonNode? Remember(Dictionary<string, JsonNode?> anchors, AnchorName anchor, JsonNode? node)
    {
        if (!anchor.IsEmpty)
        {
            anchors[anchor.Value] = node?.DeepClone();
        }

        return node;
    }

    private static JsonValue? Value(Scalar scalar)
    {
        var text = scalar.Value;
        if (scalar.Style != ScalarStyle.Plain || scalar.Tag == "tag:yaml.org,2002:str")
        {
            return JsonValue.Create(text);
        }

        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return null;
            case "true" or "True" or "TRUE" or "y" or "Y" or "yes" or "Yes" or "YES" or "on" or "On" or "ON":
                return JsonValue.Create(true);
            case "false" or "False" or "FALSE" or "n" or "N" or "no" or "No" or "NO" or "off" or "Off" or "OFF":
                return JsonValue.Create(false);
        }

        var digits = text.Replace("_", "", StringComparison.Ordinal);
        if (long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            return digits.Length > 1 && digits[0] == '0' && digits.All(c => c is >= '0' and <= '7')
                ? JsonValue.Create(Convert.ToInt64(digits, 8))
                : JsonValue.Create(number);
        }

        if (
            digits.StartsWith("0x", StringComparison.Ordinal)
            && long.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var hex)
        )
        {
            return JsonValue.Create(hex);
        }

        if (digits.StartsWith("0o", StringComparison.Ordinal) && digits.Length > 2 && digits[2..].All(c => c is >= '0' and <= '7'))
        {
            return JsonValue.Create(Convert.ToInt64(digits[2..], 8));
        }

        return
            (char.IsAsciiDigit(digits[0]) || digits[0] is '-' or '+' or '.')
            && digits.Any(char.IsAsciiDigit)
            && double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var real)
            ? JsonValue.Create(real)
            : JsonValue.Create(text);
    }
}
