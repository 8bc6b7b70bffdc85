namespace Bursar.Api;

/// <summary>The API group and version of Bursar's kinds.</summary>
public static class ApiGroup
{
    public const string Name = "bursar.dev";
    public const string Version = "v1alpha1";
    public const string GroupVersion = Name + "/" + Version;
}
