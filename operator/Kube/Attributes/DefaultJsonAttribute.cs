namespace Bursar.Kube.Attributes;

/// <summary>What the API server puts in place of an absent field, as JSON: <c>"Month"</c>, <c>[50, 80]</c>, <c>{}</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class DefaultJsonAttribute(string json) : Attribute
{
    public string Json { get; } = json;
}
