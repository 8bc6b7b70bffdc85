namespace Bursar.Kube.Attributes;

/// <summary>Bounds of a list's (or map's) number of entries.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ItemsAttribute(long minItems = 0, long maxItems = -1) : Attribute
{
    public long MinItems { get; } = minItems;

    /// <summary>Negative: no upper bound.</summary>
    public long MaxItems { get; } = maxItems;
}
