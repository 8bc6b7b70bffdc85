namespace Bursar.Core.Text;

/// <summary>An error in a resource with its field: <c>spec.window.timeZone</c>, "no such time zone: Mars/Olympus".</summary>
public sealed record FieldError(string Path, string Message)
{
    public override string ToString() => $"{Path}: {Message}";
}
