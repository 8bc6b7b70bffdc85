namespace Bursar.Kubernetes.Objects;

/// <summary>Namespace and name, which identify an object of a kind. The namespace of a cluster-scoped object is empty.</summary>
public readonly record struct ObjectKey(string Namespace, string Name)
{
    public static ObjectKey From(IKubernetesObject obj) => new(obj.Metadata.Namespace ?? "", obj.Metadata.Name);

    public override string ToString() => Namespace.Length == 0 ? Name : $"{Namespace}/{Name}";
}
