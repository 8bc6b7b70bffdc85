namespace Bursar.Core.Text;

/// <summary>What is wrong with a resource, and where: <c>spec.window.timeZone</c>, "no such time zone: Mars/Olympus".</summary>
public sealed record FieldError(string Path, string Message)
{
    public override string ToString() => $"{Path}: {Message}";
}
