namespace Bursar.Kube.Attributes;

/// <summary>The OpenAPI format of a string, such as <c>date-time</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class FormatAttribute(string format) : Attribute
{
    public string Format { get; } = format;
}
