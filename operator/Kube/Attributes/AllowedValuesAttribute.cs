namespace Bursar.Kube.Attributes;

/// <summary>
/// The values a string may have. The field stays a string in C#, so that an object written under a newer schema can
/// still be read, and one odd object does not fail a whole list.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class AllowedValuesAttribute(params string[] values) : Attribute
{
    public IReadOnlyList<string> Values { get; } = values;
}
