namespace Bursar.Kube.Attributes;

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
