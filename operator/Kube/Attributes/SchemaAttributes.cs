namespace Bursar.Kube.Attributes;

/// <summary>Text of a kind or field, as <c>kubectl explain</c> shows it.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Property | AttributeTargets.Enum)]
public sealed class DescriptionAttribute(string description) : Attribute
{
    public string Description { get; } = description;
}

/// <summary>The schema requires the field.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class RequiredAttribute : Attribute;

/// <summary>What the API server puts in place of an absent field, as JSON: <c>"Month"</c>, <c>[50, 80]</c>, <c>{}</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class DefaultJsonAttribute(string json) : Attribute
{
    public string Json { get; } = json;
}

/// <summary>
/// The values a string may have. The field stays a string in C#, so that an object written under a newer schema can
/// still be read, and one odd object does not fail a whole list.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class AllowedValuesAttribute(params string[] values) : Attribute
{
    public IReadOnlyList<string> Values { get; } = values;
}

/// <summary>The OpenAPI format of a string, such as <c>date-time</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class FormatAttribute(string format) : Attribute
{
    public string Format { get; } = format;
}

/// <summary>Regular expression (RE2) that a string must match.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PatternAttribute(string regexPattern) : Attribute
{
    public string RegexPattern { get; } = regexPattern;
}

/// <summary>Bounds of a string's length. CEL cost estimates need the upper bound on every string a rule walks.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class LengthAttribute(long minLength = 0, long maxLength = -1) : Attribute
{
    public long MinLength { get; } = minLength;

    /// <summary>Negative: no upper bound.</summary>
    public long MaxLength { get; } = maxLength;
}

/// <summary>Smallest allowed number.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class RangeMinimumAttribute(double minimum, bool exclusiveMinimum = false) : Attribute
{
    public double Minimum { get; } = minimum;

    public bool ExclusiveMinimum { get; } = exclusiveMinimum;
}

/// <summary>Largest allowed number.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class RangeMaximumAttribute(double maximum, bool exclusiveMaximum = false) : Attribute
{
    public double Maximum { get; } = maximum;

    public bool ExclusiveMaximum { get; } = exclusiveMaximum;
}

/// <summary>
/// A text that may also be written as a whole number, as Kubernetes' quantities may. On a map of texts, each of its values. Pattern and
/// length then bound the text, and minimum and maximum the number.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class IntOrStringAttribute : Attribute;

/// <summary>Bounds of a list's (or map's) number of entries.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ItemsAttribute(long minItems = 0, long maxItems = -1) : Attribute
{
    public long MinItems { get; } = minItems;

    /// <summary>Negative: no upper bound.</summary>
    public long MaxItems { get; } = maxItems;
}

/// <summary>Bounds of the length of each string in a list, or of each value in a map.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ItemLengthAttribute(long minLength, long maxLength) : Attribute
{
    public long MinLength { get; } = minLength;

    public long MaxLength { get; } = maxLength;
}

/// <summary>Regular expression (RE2) that each string in a list, or each value in a map, must match.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ItemPatternAttribute(string regexPattern) : Attribute
{
    public string RegexPattern { get; } = regexPattern;
}

/// <summary>Bounds of each number in a list.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ItemRangeAttribute(long minimum, long maximum) : Attribute
{
    public long Minimum { get; } = minimum;

    public long Maximum { get; } = maximum;
}

/// <summary>How patches merge a list: <c>atomic</c>, <c>set</c> (its values are unique) or <c>map</c> with its keys.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ListTypeAttribute(string type, params string[] mapKeys) : Attribute
{
    public string Type { get; } = type;

    public IReadOnlyList<string> MapKeys { get; } = mapKeys;
}

/// <summary>
/// An object whose inside the schema leaves alone: nothing is pruned, and patches replace it whole, so that it does not
/// fill managedFields with a path for each value.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PreserveUnknownFieldsAttribute : Attribute;

/// <summary>A CEL rule on a type or field.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Property, AllowMultiple = true)]
public sealed class ValidationRuleAttribute(
    string rule,
    string? fieldPath = null,
    string? message = null,
    string? messageExpression = null,
    string? reason = null
) : Attribute
{
    public string Rule { get; } = rule;

    public string? FieldPath { get; } = fieldPath;

    public string? Message { get; } = message;

    public string? MessageExpression { get; } = messageExpression;

    public string? Reason { get; } = reason;
}
