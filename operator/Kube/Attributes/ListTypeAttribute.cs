namespace Bursar.Kube.Attributes;

/// <summary>How patches merge a list: <c>atomic</c>, <c>set</c> (its values are unique) or <c>map</c> with its keys.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ListTypeAttribute(string type, params string[] mapKeys) : Attribute
{
    public string Type { get; } = type;

    public IReadOnlyList<string> MapKeys { get; } = mapKeys;
}
