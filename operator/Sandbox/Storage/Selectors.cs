using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Storage;

/// <summary>The label and field selectors of a request.</summary>
public sealed class Selection
{
    private readonly SelectorRequirement[] _labels;
    private readonly FieldRequirement[] _fields;

    private Selection(SelectorRequirement[] labels, FieldRequirement[] fields)
    {
        _labels = labels;
        _fields = fields;
    }

    public static Selection Everything { get; } = new([], []);

    public bool IsEverything => _labels.Length == 0 && _fields.Length == 0;

    public static Selection Parse(ResourceKey resource, string? labels, string? fields, Func<string, string>? fieldName = null)
    {
        var labelRequirements = string.IsNullOrEmpty(labels) ? [] : SelectorRequirement.ParseAll(labels);
        var fieldRequirements = string.IsNullOrEmpty(fields) ? [] : FieldRequirement.ParseAll(resource, fields, fieldName ?? (f => f));
        return labelRequirements.Length == 0 && fieldRequirements.Length == 0
            ? Everything
            : new Selection(labelRequirements, fieldRequirements);
    }

    public bool Matches(StoredObject obj)
    {
        foreach (var requirement in _labels)
        {
            if (!requirement.Matches(obj.Labels))
            {
                return false;
            }
        }

        foreach (var requirement in _fields)
        {
            if (!requirement.Matches(obj))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>A requirement on labels: equality, set membership, existence, or comparison as integers.</summary>
public sealed record SelectorRequirement(string Key, string Operator, IReadOnlyList<string> Values)
{
    public static SelectorRequirement[] ParseAll(string text)
    {
        var result = new List<SelectorRequirement>();
        var position = 0;
        while (true)
        {
            SkipSpace(text, ref position);
            if (position >= text.Length)
            {
                if (result.Count > 0 && text.TrimEnd().EndsWith(','))
                {
                    throw Unparsable(text, "found '', expected: identifier after ','");
                }

                return [.. result];
            }

            result.Add(ParseOne(text, ref position));
            SkipSpace(text, ref position);
            if (position < text.Length && text[position++] != ',')
            {
                throw Unparsable(text, $"found '{text[(position - 1)..]}', expected: ',' or 'end of string'");
            }
        }
    }

    public bool Matches(KeyValuePair<string, string>[] labels)
    {
        string? value = null;
        foreach (var label in labels)
        {
            if (label.Key == Key)
            {
                value = label.Value;
                break;
            }
        }

        return Operator switch
        {
            "exists" => value is not null,
            "!" => value is null,
            "in" => value is not null && Values.Contains(value),
            "notin" => value is null || !Values.Contains(value),
            "gt" => long.TryParse(value, out var left) && long.TryParse(Values[0], out var right) && left > right,
            _ => long.TryParse(value, out var low) && long.TryParse(Values[0], out var high) && low < high,
        };
    }

    private static SelectorRequirement ParseOne(string text, ref int position)
    {
        if (text[position] == '!')
        {
            position++;
            SkipSpace(text, ref position);
            return new SelectorRequirement(Word(text, ref position, key: true), "!", []);
        }

        var key = Word(text, ref position, key: true);
        SkipSpace(text, ref position);
        if (position >= text.Length || text[position] == ',')
        {
            return new SelectorRequirement(key, "exists", []);
        }

        switch (text[position])
        {
            case '=':
                position += position + 1 < text.Length && text[position + 1] == '=' ? 2 : 1;
                return new SelectorRequirement(key, "in", [Value(text, ref position)]);
            case '!' when position + 1 < text.Length && text[position + 1] == '=':
                position += 2;
                return new SelectorRequirement(key, "notin", [Value(text, ref position)]);
            case '>' or '<':
                var comparison = text[position++] == '>' ? "gt" : "lt";
                var bound = Value(text, ref position);
                return long.TryParse(bound, out _)
                    ? new SelectorRequirement(key, comparison, [bound])
                    : throw Unparsable(text, "for 'Gt', 'Lt' operators, the value must be an integer");
        }

        var word = Word(text, ref position, key: false);
        if (word is not ("in" or "notin"))
        {
            throw Unparsable(text, $"found '{word}', expected: in, notin, =, ==, !=, gt, lt");
        }

        SkipSpace(text, ref position);
        if (position >= text.Length || text[position++] != '(')
        {
            throw Unparsable(text, "expected: '('");
        }

        var values = new List<string>();
        while (true)
        {
            values.Add(Value(text, ref position));
            SkipSpace(text, ref position);
            if (position >= text.Length)
            {
                throw Unparsable(text, "found '', expected: ',' or ')'");
            }

            if (text[position++] == ')')
            {
                return new SelectorRequirement(key, word, values);
            }
        }
    }

    private static string Value(string text, ref int position)
    {
        SkipSpace(text, ref position);
        return Word(text, ref position, key: false, mayBeEmpty: true);
    }

    private static string Word(string text, ref int position, bool key, bool mayBeEmpty = false)
    {
        var start = position;
        while (position < text.Length && (char.IsAsciiLetterOrDigit(text[position]) || text[position] is '-' or '_' or '.' or '/'))
        {
            position++;
        }

        var word = text[start..position];
        if (word.Length == 0 && !mayBeEmpty)
        {
            throw Unparsable(text, $"found '{(start < text.Length ? text[start].ToString() : "")}', expected: identifier");
        }

        var problem =
            key ? Validation.NameRules.LabelKey(word)
            : word.Length == 0 ? null
            : Validation.NameRules.LabelValue(word);
        return problem is null ? word : throw Unparsable(text, $"{(key ? "key" : "values")}: Invalid value: \"{word}\": {problem}");
    }

    private static void SkipSpace(string text, ref int position)
    {
        while (position < text.Length && text[position] == ' ')
        {
            position++;
        }
    }

    private static ApiError Unparsable(string text, string why) =>
        ApiError.BadRequest($"unable to parse requirement: {why} (in the label selector \"{text}\")");
}

/// <summary>A requirement on a field: equal or not equal.</summary>
public sealed record FieldRequirement(string Path, bool Equal, string Value)
{
    public static FieldRequirement[] ParseAll(ResourceKey resource, string text, Func<string, string> fieldName)
    {
        var result = new List<FieldRequirement>();
        foreach (var term in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = term.IndexOf("!=", StringComparison.Ordinal);
            var equal = at < 0;
            var width = 2;
            if (equal)
            {
                at = term.IndexOf("==", StringComparison.Ordinal);
                if (at < 0)
                {
                    at = term.IndexOf('=');
                    width = 1;
                }
            }

            if (at < 0)
            {
                throw ApiError.BadRequest($"invalid selector: '{text}'; can't understand '{term}'");
            }

            var path = fieldName(term[..at].Trim());
            if (!SelectableFields.IsSelectable(resource, path))
            {
                throw ApiError.BadRequest($"field label not supported: {term[..at]}");
            }

            result.Add(new FieldRequirement(path, equal, term[(at + width)..].Trim()));
        }

        return [.. result];
    }

    public bool Matches(StoredObject obj)
    {
        var actual = Path switch
        {
            "metadata.name" => obj.Name,
            "metadata.namespace" => obj.Namespace,
            _ => Field(obj),
        };
        return actual == Value == Equal;
    }

    private string Field(StoredObject obj)
    {
        foreach (var field in obj.Fields)
        {
            if (field.Key == Path)
            {
                return field.Value;
            }
        }

        return "";
    }
}
