namespace Bursar.Kube.Attributes;

/// <summary>Whether objects of a kind live in a namespace.</summary>
public enum EntityScope
{
    Namespaced,
    Cluster,
}

/// <summary>Scope of a kind; without it a kind is namespaced.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class EntityScopeAttribute(EntityScope scope = EntityScope.Namespaced) : Attribute
{
    public EntityScope Scope { get; } = scope;
}
