namespace Bursar.Kube.Attributes;

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
