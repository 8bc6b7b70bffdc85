using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Bursar.Kubernetes.Crds;

/// <summary>
/// Writes JSON as YAML, with the same bytes each time, for files that are compared and reviewed. Line ends are LF, keys are in ordinal
/// order, the indent is two spaces, and a scalar is on one line. A string is plain only if it cannot be read as another type: it begins
/// with a letter (or a path), has only letters, digits and a few signs, and is no keyword of YAML 1.1. All other strings are double-quoted,
/// such as <c>.5</c>, <c>1e3</c>, <c>0x10</c>, <c>~</c>, <c>on</c> or a date.
/// </summary>
public static class YamlText
{
    private static readonly EmitterSettings Settings = new(
        bestIndent: 2,
        bestWidth: int.MaxValue,
        isCanonical: false,
        maxSimpleKeyLength: int.MaxValue,
        indentSequences: false,
        newLine: "\n"
    );

    private static readonly SearchValues<char> PlainStart = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_./");

    private static readonly SearchValues<char> PlainCharacters = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./ ()-"
    );

    private static readonly HashSet<string> Keywords = new(
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"],
        StringComparer.OrdinalIgnoreCase
    );

    public static string Write(JsonNode node)
    {
        var text = new StringWriter();
        var emitter = new Emitter(text, Settings);
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        Write(emitter, node);
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    private static void Write(Emitter emitter, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject map:
                emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, isImplicit: true, MappingStyle.Block));
                foreach (var (key, value) in map.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    emitter.Emit(Text(key));
                    Write(emitter, value);
                }
                emitter.Emit(new MappingEnd());
                break;
            case JsonArray list:
                emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, isImplicit: true, SequenceStyle.Block));
                foreach (var item in list)
                    Write(emitter, item);
                emitter.Emit(new SequenceEnd());
                break;
            case JsonValue value when value.GetValueKind() == JsonValueKind.String:
                emitter.Emit(Text(value.GetValue<string>()));
                break;
            default:
                emitter.Emit(Scalar(node?.ToJsonString() ?? "null", ScalarStyle.Plain));
                break;
        }
    }

    private static Scalar Text(string value)
    {
        var plain =
            value.Length > 0
            && PlainStart.Contains(value[0])
            && !value.AsSpan().ContainsAnyExcept(PlainCharacters)
            && value[^1] != ' '
            && !Keywords.Contains(value)
            // A dot begins a path (.spec.kind) or a number.
            && (value[0] is not ('.' or '_') || value.Length > 1 && char.IsAsciiLetter(value[1]));
        return plain ? Scalar(value, ScalarStyle.Plain) : Scalar(ReplaceLoneSurrogates(value), ScalarStyle.DoubleQuoted);
    }

    /// <summary>Replaces a lone surrogate, which UTF-8 cannot encode, by U+FFFD.</summary>
    private static string ReplaceLoneSurrogates(string value)
    {
        var text = new StringBuilder(value.Length);
        foreach (var rune in value.EnumerateRunes())
            text.Append(rune);
        return text.ToString();
    }

    private static Scalar Scalar(string value, ScalarStyle style) =>
        new(AnchorName.Empty, TagName.Empty, value, style, isPlainImplicit: true, isQuotedImplicit: true);
}
