using System.Text.Json.Serialization;

namespace Bursar.Kube.Objects;

/// <summary>Selects objects by their labels. Without any requirement it selects all.</summary>
public sealed record V1LabelSelector
{
    public static readonly V1LabelSelector Empty = new();

    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> MatchLabels { get; init => field = value ?? StringMap.Empty; } = StringMap.Empty;

    public IReadOnlyList<V1LabelSelectorRequirement> MatchExpressions { get; init => field = value ?? []; } = [];

    /// <summary>The selector as a query parameter, such as <c>team=nlp,tier in (a,b)</c>.</summary>
    public string ToQuery() => string.Join(',', MatchLabels.Select(pair => $"{pair.Key}={pair.Value}").Concat(MatchExpressions.Select(e => e.ToQuery())));

    /// <summary>Whether an object with these labels is selected. An unknown operator selects nothing.</summary>
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

    public string Key { get; init => field = value ?? ""; } = "";

    /// <summary>In, NotIn, Exists or DoesNotExist.</summary>
    public string Operator { get; init => field = value ?? ""; } = "";

    public IReadOnlyList<string> Values { get; init => field = value ?? []; } = [];

    public string ToQuery() => Operator switch
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
