using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

/// <summary>A selector of objects by their labels. Without requirements it selects all.</summary>
public sealed record V1LabelSelector
{
    public static readonly V1LabelSelector Empty = new();

    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> MatchLabels
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public IReadOnlyList<V1LabelSelectorRequirement> MatchExpressions
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>Returns the selector as a query parameter, such as <c>team=nlp,tier in (a,b)</c>.</summary>
    public string ToQuery() =>
        string.Join(',', MatchLabels.Select(pair => $"{pair.Key}={pair.Value}").Concat(MatchExpressions.Select(e => e.ToQuery())));

    /// <summary>
    /// Parses a query parameter, such as the status of a scalable object has: <c>a=b,c!=d,e in (f,g),h notin (i),j,!k</c>. Returns null if
    /// it is empty or invalid.
    /// </summary>
    public static V1LabelSelector? FromQuery(string query)
    {
        List<V1LabelSelectorRequirement> requirements = [];
        foreach (string part in Parts(query))
        {
            if (Requirement(part.Trim()) is not { } requirement)
                return null;
            requirements.Add(requirement);
        }
        return requirements.Count == 0 ? null : new V1LabelSelector { MatchExpressions = requirements };
    }

    private static V1LabelSelectorRequirement? Requirement(string part)
    {
        if (part.Length == 0)
            return null;
        if (part.EndsWith(')') && part.IndexOf('(', StringComparison.Ordinal) is > 0 and int open)
        {
            string[] words = part[..open].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is not [var key, "in" or "notin"])
                return null;
            string[] values = part[(open + 1)..^1].Split(',', StringSplitOptions.TrimEntries);
            return new V1LabelSelectorRequirement
            {
                Key = key,
                Operator = words[1] == "in" ? "In" : "NotIn",
                Values = values,
            };
        }
        int at = part.IndexOf('=', StringComparison.Ordinal);
        if (at < 0)
            return part[0] == '!'
                ? new V1LabelSelectorRequirement { Key = part[1..].Trim(), Operator = "DoesNotExist" }
                : new V1LabelSelectorRequirement { Key = part, Operator = "Exists" };
        bool not = at > 0 && part[at - 1] == '!';
        string name = part[..(not ? at - 1 : at)].Trim();
        string value = part[(at + 1)..].TrimStart('=').Trim();
        return name.Length == 0
            ? null
            : new V1LabelSelectorRequirement
            {
                Key = name,
                Operator = not ? "NotIn" : "In",
                Values = [value],
            };
    }

    /// <summary>Splits a query at commas that are not between parentheses.</summary>
    private static IEnumerable<string> Parts(string query)
    {
        int from = 0,
            depth = 0;
        for (int i = 0; i < query.Length; i++)
        {
            if (query[i] == '(')
                depth++;
            else if (query[i] == ')')
                depth--;
            else if (query[i] == ',' && depth == 0)
            {
                yield return query[from..i];
                from = i + 1;
            }
        }
        yield return query[from..];
    }

    /// <summary>Returns whether an object with these labels is selected. An unknown operator selects nothing.</summary>
    public bool Matches(IReadOnlyDictionary<string, string> labels)
    {
        foreach ((string key, string value) in MatchLabels)
            if (!labels.TryGetValue(key, out string? actual) || !string.Equals(actual, value, StringComparison.Ordinal))
                return false;
        foreach (V1LabelSelectorRequirement requirement in MatchExpressions)
            if (!requirement.Matches(labels))
                return false;
        return true;
    }
}

public sealed record V1LabelSelectorRequirement
{
    public static readonly V1LabelSelectorRequirement Empty = new();

    public string Key
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>In, NotIn, Exists or DoesNotExist.</summary>
    public string Operator
    {
        get;
        init => field = value ?? "";
    } = "";

    public IReadOnlyList<string> Values
    {
        get;
        init => field = value ?? [];
    } = [];

    public string ToQuery() =>
        Operator switch
        {
            "In" => $"{Key} in ({string.Join(',', Values)})",
            "NotIn" => $"{Key} notin ({string.Join(',', Values)})",
            "Exists" => Key,
            "DoesNotExist" => $"!{Key}",
            _ => throw new ArgumentException($"Unknown selector operator {Operator}."),
        };

    public bool Matches(IReadOnlyDictionary<string, string> labels)
    {
        bool has = labels.TryGetValue(Key, out string? value);
        return Operator switch
        {
            "In" => has && Values.Contains(value!, StringComparer.Ordinal),
            "NotIn" => !has || !Values.Contains(value!, StringComparer.Ordinal),
            "Exists" => has,
            "DoesNotExist" => !has,
            _ => false,
        };
    }
}
