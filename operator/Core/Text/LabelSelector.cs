namespace Bursar.Core.Text;

public enum LabelOperator
{
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// <summary>
/// One entry of <c>matchExpressions</c>. <see cref="Operator"/> is as written; <see cref="LabelSelector.Validate"/> checks it.
/// </summary>
public sealed record LabelRequirement(string Key, string Operator, IReadOnlyList<string> Values)
{
    public bool TryOperator(out LabelOperator value)
    {
        (value, var known) = Operator switch
        {
            "In" => (LabelOperator.In, true),
            "NotIn" => (LabelOperator.NotIn, true),
            "Exists" => (LabelOperator.Exists, true),
            "DoesNotExist" => (LabelOperator.DoesNotExist, true),
            _ => (default, false),
        };
        return known;
    }
}

/// <summary>
/// A Kubernetes label selector: all of <c>matchLabels</c> and <c>matchExpressions</c> must match, and an empty one matches everything. As
/// in Kubernetes, <c>NotIn</c> matches if the label is absent.
/// </summary>
public sealed record LabelSelector
{
    public static readonly LabelSelector Everything = new();

    public IReadOnlyDictionary<string, string> MatchLabels { get; init; } = new Dictionary<string, string>();

    public IReadOnlyList<LabelRequirement> MatchExpressions { get; init; } = [];

    public bool IsEmpty => MatchLabels.Count == 0 && MatchExpressions.Count == 0;

    /// <summary>The label keys that it uses.</summary>
    public IEnumerable<string> Keys => MatchLabels.Keys.Concat(MatchExpressions.Select(requirement => requirement.Key));

    /// <summary>
    /// Whether the labels match. A requirement with an unknown operator matches nothing; <see cref="Validate"/> reports it.
    /// </summary>
    public bool Matches(IReadOnlyDictionary<string, string> labels)
    {
        foreach (var (key, value) in MatchLabels)
            if (!labels.TryGetValue(key, out var actual) || actual != value)
                return false;
        foreach (var requirement in MatchExpressions)
        {
            if (!requirement.TryOperator(out var operation))
                return false;
            var present = labels.TryGetValue(requirement.Key, out var actual);
            var holds = operation switch
            {
                LabelOperator.In => present && requirement.Values.Contains(actual!),
                LabelOperator.NotIn => !present || !requirement.Values.Contains(actual!),
                LabelOperator.Exists => present,
                _ => !present,
            };
            if (!holds)
                return false;
        }
        return true;
    }

    /// <summary>
    /// Whether everything that it matches is certainly matched by another selector too: it contains all requirements of that one.
    /// </summary>
    public bool IsWithin(LabelSelector other) =>
        other.MatchLabels.All(label => MatchLabels.TryGetValue(label.Key, out var value) && value == label.Value)
        && other.MatchExpressions.All(requirement =>
            MatchExpressions.Any(own =>
                own.Key == requirement.Key && own.Operator == requirement.Operator && own.Values.SequenceEqual(requirement.Values)
            )
        );

    /// <summary>Whether nothing is certainly matched by both selectors: they ask for different values of one label.</summary>
    public bool Excludes(LabelSelector other) =>
        MatchLabels.Any(label => other.MatchLabels.TryGetValue(label.Key, out var value) && value != label.Value);

    public IReadOnlyList<FieldError> Validate(string path)
    {
        var errors = new List<FieldError>();
        foreach (var (key, value) in MatchLabels)
        {
            if (LabelSyntax.KeyError(key) is { } bad)
                errors.Add(new($"{path}.matchLabels", $"\"{key}\" {bad}"));
            if (LabelSyntax.ValueError(value) is { } wrong)
                errors.Add(new($"{path}.matchLabels[{key}]", $"\"{value}\" {wrong}"));
        }
        for (var i = 0; i < MatchExpressions.Count; i++)
        {
            var requirement = MatchExpressions[i];
            var at = $"{path}.matchExpressions[{i}]";
            if (LabelSyntax.KeyError(requirement.Key) is { } bad)
                errors.Add(new($"{at}.key", $"\"{requirement.Key}\" {bad}"));
            if (!requirement.TryOperator(out var operation))
            {
                errors.Add(new($"{at}.operator", $"\"{requirement.Operator}\" is none of In, NotIn, Exists, DoesNotExist"));
                continue;
            }
            var needsValues = operation is LabelOperator.In or LabelOperator.NotIn;
            if (needsValues && requirement.Values.Count == 0)
                errors.Add(new($"{at}.values", $"must not be empty with {requirement.Operator}"));
            if (!needsValues && requirement.Values.Count > 0)
                errors.Add(new($"{at}.values", $"must be empty with {requirement.Operator}"));
            for (var v = 0; v < requirement.Values.Count; v++)
                if (LabelSyntax.ValueError(requirement.Values[v]) is { } wrong)
                    errors.Add(new($"{at}.values[{v}]", $"\"{requirement.Values[v]}\" {wrong}"));
        }
        return errors;
    }
}
