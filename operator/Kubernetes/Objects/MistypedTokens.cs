using System.Text.Json;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Collects the values of unexpected JSON types while one object is decoded on this thread. Readers report only positions, so a regular
/// object costs nothing. For the few other objects, a second walk finds the paths.
/// </summary>
internal static class MistypedTokens
{
    public const string Text = "a text";
    public const string Number = "a whole number";
    public const string Boolean = "a boolean";
    public const string Time = "a time";
    public const string Object = "an object";
    public const string List = "a list";

    /// <summary>The limit of reports per object, which is enough for a message.</summary>
    private const int Most = 32;

    [ThreadStatic]
    private static bool _isCollecting;

    [ThreadStatic]
    private static List<Token>? _tokens;

    public static void Begin() => (_isCollecting, _tokens) = (true, null);

    /// <summary>Ends collecting. Returns null if nothing was reported.</summary>
    public static List<Token>? End()
    {
        List<Token>? tokens = _tokens;
        (_isCollecting, _tokens) = (false, null);
        return tokens;
    }

    /// <summary>Reports the current value of the reader. A null is not reported, because it reads as absent.</summary>
    public static void Report(ref Utf8JsonReader reader, string expected, bool isConverted = false)
    {
        if (!_isCollecting || reader.TokenType == JsonTokenType.Null || _tokens is { Count: >= Most })
            return;
        (_tokens ??= []).Add(new Token(reader.TokenStartIndex, expected, isConverted));
    }

    /// <summary>Adds the fields at the reported positions, in the order of the document.</summary>
    public static void Resolve(ReadOnlySpan<byte> json, List<Token> tokens, List<MistypedField> fields)
    {
        Utf8JsonReader reader = new(json, KubeJson.ReaderOptions);
        List<(string Path, bool IsList, int Index)> open = [];
        string name = "";
        int left = tokens.Count;
        while (left > 0 && reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    name = reader.GetString()!;
                    continue;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    open.RemoveAt(open.Count - 1);
                    continue;
            }

            string path =
                open.Count == 0 ? ""
                : open[^1] is { IsList: true } list ? $"{list.Path}[{list.Index}]"
                : Join(open[^1].Path, name);
            if (open.Count > 0 && open[^1].IsList)
                open[^1] = open[^1] with { Index = open[^1].Index + 1 };
            foreach (Token token in tokens)
            {
                if (token.Position != reader.TokenStartIndex)
                    continue;
                fields.Add(new MistypedField(path, token.Expected, NameOf(reader.TokenType), token.IsConverted));
                left--;
            }

            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                open.Add((path, reader.TokenType == JsonTokenType.StartArray, 0));
        }
    }

    /// <summary>Returns the path of a member: after a dot, or in brackets if the name has special characters.</summary>
    public static string Join(string path, string name)
    {
        foreach (char c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
                return $"{path}[{name}]";
        return path.Length == 0 ? name : $"{path}.{name}";
    }

    public static string NameOf(JsonTokenType type) =>
        type switch
        {
            JsonTokenType.StartObject => Object,
            JsonTokenType.StartArray => List,
            JsonTokenType.String => Text,
            JsonTokenType.Number => "a number",
            JsonTokenType.True or JsonTokenType.False => Boolean,
            _ => "null",
        };

    internal readonly record struct Token(long Position, string Expected, bool IsConverted);
}
