using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Attributes;

/// <summary>
/// Rights that are needed in one namespace only: <see cref="Own"/>, <see cref="Agents"/> or a name such as kube-node-lease. They become a
/// Role in that namespace instead of rules of the ClusterRole.
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
    /// Names of the only objects that the right covers. Not allowed with <see cref="RbacVerb.Create"/>, because the API server does not
    /// know the name of an object that is being created.
    /// </summary>
    public string[] Names { get; init; } = [];

    public RbacVerb Verbs { get; init; }
}
