using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Attributes;

/// <summary>
/// Rights that are needed in one namespace only: <see cref="Own"/>, <see cref="Agents"/> or a name such as kube-node-lease.
/// They become a Role there instead of a rule for the whole cluster.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class NamespaceRbacAttribute(string ns, params Type[] entities) : Attribute
{
    /// <summary>Stands for the namespace that the operator runs in.</summary>
    public const string Own = "own";

    /// <summary>Stands for the namespace that the agents run in.</summary>
    public const string Agents = "agents";

    public string Namespace { get; } = ns;

    public IReadOnlyList<Type> Entities { get; } = entities;

    /// <summary>
    /// Only the objects of these names. Does not go with <see cref="RbacVerb.Create"/>: when an object is made, the API server does not
    /// know its name yet.
    /// </summary>
    public string[] Names { get; init; } = [];

    public RbacVerb Verbs { get; init; }
}
