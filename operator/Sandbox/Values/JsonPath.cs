using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Values;

/// <summary>
/// JSON paths of printer columns and the scale subresource: fields (<c>.spec.a</c>, <c>['a.b']</c>), indexes (<c>[0]</c>, <c>[-1]</c>,
/// <c>[*]</c>) and filters by one field (<c>[?(@.type=="Ready")]</c>).
/// </summary>
public sealed class JsonPath
{
    private readonly IReadOnlyList<Step> _steps;

    private JsonPath(IReadOnlyList<Step> steps) => _steps = steps;

    public static bool TryParse(string text, [NotNullWhen(true)] out JsonPath? path, out string problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        var reader = new Reader(text);
        problem = reader.ReadAll();
        path = problem.Length == 0 ? new JsonPath(reader.Steps) : null;
        return path is not null;
    }

    public static JsonPath Parse(string text) =>
        TryParse(text, out var path, out var problem) ? path : throw new FormatException($"The JSON path {text} cannot be read: {problem}");

    /// <summary>Returns all values at the path; none if a field is missing.</summary>
    public IReadOnlyList<JsonNode> Find(JsonNode root)
    {
        List<JsonNode> found = [root];
        foreach (var step in _steps)
        {
            var next = new List<JsonNode>();
            foreach (var node in found)
            {
                step.Walk(node, next);
            }

            found = next;
        }

        return found;
    }

    private abstract record Step
    {
        public abstract void Walk(JsonNode node, List<JsonNode> next);

        protected static void Add(JsonNode? node, List<JsonNode> next)
        {
            if (node is not null)
            {
                next.Add(node);
            }
        }
    }

    private sealed record Field(string Name) : Step
    {
        public override void Walk(JsonNode node, List<JsonNode> next)
        {
            if (node is JsonObject source)
            {
                Add(source[Name], next);
            }
        }
    }

    private sealed record Position(int Index) : Step
    {
        public override void Walk(JsonNode node, List<JsonNode> next)
        {
            if (node is JsonArray list)
            {
                var index = Index < 0 ? list.Count + Index : Index;
                if (index >= 0 && index < list.Count)
                {
                    Add(list[index], next);
                }
            }
        }
    }

    private sealed record All : Step
    {
        public override void Walk(JsonNode node, List<JsonNode> next)
        {
            switch (node)
            {
                case JsonArray list:
                    foreach (var item in list)
                    {
                        Add(item, next);
                    }

                    break;
                case JsonObject source:
                    foreach (var (_, value) in source)
                    {
                        Add(value, next);
                    }

                    break;
            }
        }
    }

    private sealed record Filter(JsonPath Left, bool Equal, string? Right) : Step
    {
        public override void Walk(JsonNode node, List<JsonNode> next)
        {
            if (node is not JsonArray list)
            {
                return;
            }

            foreach (var item in list)
            {
                if (item is not null && Holds(item))
                {
                    next.Add(item);
                }
            }
        }

        private bool Holds(JsonNode item)
        {
            var values = Left.Find(item);
            return Right is null ? values.Count > 0 : values.Count > 0 && (Scalar(values[0]) == Right) == Equal;
        }

        private static string Scalar(JsonNode node) =>
            node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString();
    }

    private sealed class Reader(string text)
    {
        private int _at;

        public List<Step> Steps { get; } = [];

        private char Current => _at < text.Length ? text[_at] : '\0';

        public string ReadAll()
        {
            if (text.Length > 1 && text[0] == '{' && text[^1] == '}')
            {
                return "braces are not needed around the path";
            }

            if (Current == '$')
            {
                _at++;
            }

            if (Current is not ('.' or '['))
            {
                return "it must begin with '.' or '['";
            }

            while (_at < text.Length)
            {
                var problem = Current switch
                {
                    '.' => ReadField(),
                    '[' => ReadBracket(),
                    _ => $"an unexpected '{Current}' at {_at}",
                };
                if (problem.Length > 0)
                {
                    return problem;
                }
            }

            return "";
        }

        private string ReadField()
        {
            _at++;
            if (Current == '.')
            {
                return "recursive descent is not supported";
            }

            if (Current == '*')
            {
                _at++;
                Steps.Add(new All());
                return "";
            }

            var name = ReadName();
            if (name.Length == 0)
            {
                // A single dot is the object itself.
                return _at == text.Length && Steps.Count == 0 || Current == '[' ? "" : $"a field's name is missing at {_at}";
            }

            Steps.Add(new Field(name));
            return "";
        }

        private string ReadName()
        {
            var name = new StringBuilder();
            while (_at < text.Length && Current is not ('.' or '[' or ']' or ' ' or ')' or '=' or '!' or '<' or '>'))
            {
                // A dot inside a name is escaped as \.
                if (Current == '\\' && _at + 1 < text.Length)
                {
                    _at++;
                }

                name.Append(Current);
                _at++;
            }

            return name.ToString();
        }

        private string ReadBracket()
        {
            _at++;
            switch (Current)
            {
                case '\'' or '"':
                    if (!TryQuoted(out var name) || Current != ']')
                    {
                        return "a quoted name is not closed";
                    }

                    _at++;
                    Steps.Add(new Field(name));
                    return "";
                case '*':
                    _at++;
                    Steps.Add(new All());
                    return Close();
                case '?':
                    return ReadFilter();
            }

            var end = text.IndexOf(']', _at);
            if (
                end < 0
                || !int.TryParse(text.AsSpan(_at, end - _at), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index)
            )
            {
                return $"the brackets at {_at} hold no position, name or filter";
            }

            _at = end + 1;
            Steps.Add(new Position(index));
            return "";
        }

        private string ReadFilter()
        {
            _at++;
            if (Current != '(')
            {
                return "a filter is written [?(...)]";
            }

            _at++;
            Blanks();
            if (Current != '@')
            {
                return "a filter must begin with '@'";
            }

            _at++;
            var inner = new Reader(text) { _at = _at };
            while (inner.Current is '.' or '[')
            {
                var problem = inner.Current == '.' ? inner.ReadField() : inner.ReadBracket();
                if (problem.Length > 0)
                {
                    return problem;
                }
            }

            _at = inner._at;
            Blanks();
            var left = new JsonPath(inner.Steps);
            if (Current == ')')
            {
                _at++;
                Steps.Add(new Filter(left, Equal: true, Right: null));
                return Close();
            }

            var sign = _at + 2 <= text.Length ? text.Substring(_at, 2) : "";
            if (sign is not ("==" or "!="))
            {
                return "a filter compares with == or !=";
            }

            _at += 2;
            Blanks();
            string right;
            if (Current is '\'' or '"')
            {
                if (!TryQuoted(out right))
                {
                    return "a quoted value is not closed";
                }
            }
            else
            {
                var start = _at;
                while (_at < text.Length && Current is not (')' or ' '))
                {
                    _at++;
                }

                right = text[start.._at];
            }

            Blanks();
            if (Current != ')')
            {
                return "a filter is not closed";
            }

            _at++;
            Steps.Add(new Filter(left, sign == "==", right));
            return Close();
        }

        private bool TryQuoted(out string value)
        {
            var quote = Current;
            _at++;
            var read = new StringBuilder();
            while (_at < text.Length && Current != quote)
            {
                if (Current == '\\' && _at + 1 < text.Length)
                {
                    _at++;
                }

                read.Append(Current);
                _at++;
            }

            value = read.ToString();
            if (_at >= text.Length)
            {
                return false;
            }

            _at++;
            return true;
        }

        private void Blanks()
        {
            while (Current == ' ')
            {
                _at++;
            }
        }

        private string Close()
        {
            if (Current != ']')
            {
                return "a bracket is not closed";
            }

            _at++;
            return "";
        }
    }
}
