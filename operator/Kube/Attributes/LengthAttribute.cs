namespace Bursar.Kube.Attributes;

/// <summary>Bounds of a string's length. CEL cost estimates need the upper bound on every string a rule walks.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class LengthAttribute(long minLength = 0, long maxLength = -1) : Attribute
{
    public long MinLength { get; } = minLength;

    /// <summary>Negative: no upper bound.</summary>
    public long MaxLength { get; } = maxLength;
}
