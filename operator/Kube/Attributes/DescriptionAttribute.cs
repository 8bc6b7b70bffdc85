namespace Bursar.Kube.Attributes;

/// <summary>Text of a kind or field, as <c>kubectl explain</c> shows it.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Property | AttributeTargets.Enum)]
public sealed class DescriptionAttribute(string description) : Attribute
{
    public string Description { get; } = description;
}
