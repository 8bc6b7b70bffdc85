namespace Bursar.Kubernetes.Attributes;

/// <summary>The value that the API server sets for an absent field, as JSON: <c>"Month"</c>, <c>[50, 80]</c>, <c>{}</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class DefaultJsonAttribute(string json) : Attribute
{
    public string Json { get; } = json;
}

/// <summary>
/// The values that a string may have. The field stays a string in C#, so that an object written under a newer schema stays readable and
/// does not fail a whole list.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class AllowedValuesAttribute(params string[] values) : Attribute
{
    public IReadOnlyList<string> Values { get; } = values;
}

/// <summary>
/// A string that may also be written as a whole number, like Kubernetes' quantities. On a map, this applies to each value. Pattern and
/// length bound the string, minimum and maximum the number.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class IntOrStringAttribute : Attribute;

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

/// <summary>The way in which patches merge a list: <c>atomic</c>, <c>set</c> (of unique values) or <c>map</c> with its keys.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ListTypeAttribute(string type, params string[] mapKeys) : Attribute
{
    public string Type { get; } = type;

    public IReadOnlyList<string> MapKeys { get; } = mapKeys;
}
